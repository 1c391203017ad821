"""How a user and an assistant say things, by act and tone, in parts that combine: leads, frames, names, closings.

`{place}`, `{value}`, `{language}` and `{phrase}` are slots; `{np}` is a name for what is asked, `{s}` a statement, both
from the tables here. A part that begins a turn gets a capital. Knows words, neither facts nor the order of turns.

    FRAMES["ask", "plain"][0]                   # "What is {np}?"
    NAMES["currency"][0]                        # "the currency of {place}"
"""

from __future__ import annotations

from collections.abc import Mapping

Wordings = tuple[str, ...]
TONES = ("plain", "polite", "brief")
KINDS: Mapping[str, str] = {  # kind of fact -> the slot that its value fills
    "currency": "currency",
    "main language": "language",
    "official language": "language",
    "main share": "percent",
    "first weekday": "day",
}
WORDS: Mapping[str, str] = {  # kind of fact -> its word in the names of intents
    "currency": "currency",
    "main language": "language",
    "official language": "official_language",
    "main share": "share",
    "first weekday": "weekday",
}

NAMES: Mapping[str, Wordings] = {  # what is asked, as a noun
    "currency": (
        "the currency of {place}", "the money of {place}", "the money used in {place}",
        "the currency people pay with in {place}",
    ),
    "main language": (
        "the main language of {place}", "the language most people speak in {place}",
        "the most widely spoken language in {place}", "the most common language of {place}",
    ),
    "official language": (
        "the official language of {place}", "the language that is official in {place}",
        "the only official language in {place}",
    ),
    "main share": (
        "the share of people in {place} who speak the main language",
        "the percentage of people who speak the main language in {place}",
        "the share of the population of {place} that speaks its main language",
    ),
    "first weekday": (
        "the first day of the week in {place}", "the day on which weeks begin in {place}",
        "the day that opens the week in {place}", "the weekday that comes first on calendars in {place}",
    ),
}  # fmt: skip
SHORT_NAMES: Mapping[str, Wordings] = {  # the same where it is known which place is meant
    "currency": ("its currency", "the currency there", "the money there"),
    "main language": ("its main language", "the main language there", "the language most people speak there"),
    "official language": ("its official language", "the official language there"),
    "main share": ("the share of people there who speak the main language", "the percentage of people who speak it"),
    "first weekday": ("the first day of the week there", "the day on which weeks begin there"),
}
DIRECT: Mapping[str, Wordings] = {  # whole questions
    "currency": (
        "What do people pay with in {place}?", "Which currency do I need in {place}?",
        "Which money is used in {place}?",
        "I am going to {place}: which currency should I bring?",
    ),
    "main language": (
        "What do most people speak in {place}?", "Which language will I hear most in {place}?",
        "What is spoken most in {place}, which language?", "Which language is the most common in {place}?",
    ),
    "official language": (
        "Which language is official in {place}?", "What language is the official one in {place}?",
        "In which language are the laws of {place}, officially?",
    ),
    "main share": (
        "How many per cent of people in {place} speak the main language?",
        "What percentage of {place} speaks the main language?",
        "What share of the population speaks the main language in {place}?",
    ),
    "first weekday": (
        "On which day does the week begin in {place}?", "Which day comes first in the week in {place}?",
        "When does the week start in {place}?", "With which day do calendars in {place} start the week?",
    ),
}  # fmt: skip
BRIEF: Mapping[str, Wordings] = {
    "currency": ("{place}: currency?", "currency of {place}?", "money in {place}?", "which currency in {place}?"),
    "main language": ("{place}: main language?", "main language of {place}?", "most spoken language in {place}?"),
    "official language": ("{place}: official language?", "official language of {place}?", "official in {place}?"),
    "main share": (
        "{place}: share of main language?", "share of speakers in {place}?", "main language of {place}, percentage?",
    ),
    "first weekday": ("{place}: first day of the week?", "first weekday in {place}?", "week start in {place}?"),
}  # fmt: skip
CLAIMS: Mapping[str, Wordings] = {  # statements with place and value
    "currency": (
        "the currency of {place} is the {value}", "people in {place} pay with the {value}",
        "the {value} is the money of {place}", "in {place} people use the {value}",
    ),
    "main language": (
        "most people in {place} speak {value}", "the main language of {place} is {value}",
        "{value} is the most widely spoken language in {place}", "in {place} most people speak {value}",
    ),
    "official language": (
        "the official language of {place} is {value}", "{value} is the official language of {place}",
        "in {place} {value} is the official language",
    ),
    "main share": (
        "{value} of people in {place} speak the main language",
        "the main language is spoken by {value} of the population of {place}",
        "in {place} {value} of the people speak the main language",
    ),
    "first weekday": (
        "weeks begin on {value} in {place}", "the first day of the week in {place} is {value}",
        "in {place} the week starts on {value}", "{value} is the first day of the week in {place}",
    ),
}  # fmt: skip
SHORT_CLAIMS: Mapping[str, Wordings] = {  # statements with the value alone
    "currency": ("it is the {value}", "people pay with the {value} there", "they use the {value}"),
    "main language": ("most people speak {value} there", "it is {value}", "the main language is {value}"),
    "official language": ("it is {value}", "the official language is {value}", "officially it is {value}"),
    "main share": ("it is {value}", "{value} speak it", "{value} of the people do"),
    "first weekday": ("it is {value}", "weeks begin on {value} there", "the week starts on {value}"),
}
FULL_SHARES: Wordings = (  # of the share alone: which language it is goes with it
    "{value} of people in {place} speak the main language, {language}",
    "{language} is the main language, spoken by {value} of the population of {place}",
    "in {place} {value} of the people speak {language}",
)
VALUES: Mapping[str, str] = {  # a value by itself
    "currency": "the {value}",
    "main language": "{value}",
    "official language": "{value}",
    "main share": "{value}",
    "first weekday": "{value}",
}
OTHER_TOPICS: Wordings = (  # what no knowledge base of this kind says
    "the weather in {place} tomorrow", "the best hotel in {place}", "the price of a train ticket in {place}",
    "the mayor of the largest city of {place}", "the result of the last match of {place}",
    "the opening hours of museums in {place}", "the traffic in {place} right now", "the latest news from {place}",
    "a good restaurant in {place}", "the rent of a flat in {place}",
)  # fmt: skip

FRAMES: Mapping[tuple[str, str], Wordings] = {
    ("ask", "plain"): (
        "What is {np}?", "Do you know {np}?", "Tell me {np}.", "I want to know {np}.", "I wonder what {np} is.",
        "Can you tell me {np}?", "Let me ask about {np}.",
    ),
    ("ask", "polite"): (
        "Could you please tell me {np}?", "Would you mind telling me {np}?", "I would be glad to know {np}.",
        "May I ask what {np} is?", "Please tell me {np}.", "Would you happen to know {np}?",
        "I would like to know {np}, please.",
    ),
    ("ask", "brief"): ("{np}?", "quick: {np}?", "{np}, please?"),
    ("follow_up", "plain"): (
        "And in {place}?", "What about {place}?", "How about {place}?", "And what is it in {place}?",
        "Now the same for {place}.", "What is it in {place}?", "Then what about {place}?",
    ),
    ("follow_up", "polite"): (
        "And could you tell me for {place} as well?", "And what about {place}, if I may ask?",
        "Would you tell me the same for {place}?", "May I also ask about {place}?", "And for {place}, please?",
        "Could you please say the same for {place}?",
    ),
    ("follow_up", "brief"): (
        "{place}?", "and {place}?", "same for {place}?",
        "in {place}?", "for {place}?", "now {place}.",
    ),
    ("follow_up_kind", "plain"): (
        "And {np}?", "And what is {np}?", "What about {np}?", "Do you also know {np}?", "Tell me {np} too.",
        "How about {np}?",
    ),
    ("follow_up_kind", "polite"): (
        "And could you tell me {np}?", "May I also ask about {np}?", "Would you also tell me {np}?",
        "And {np}, if I may ask?", "Please tell me {np} as well.", "I would also like to know {np}.",
    ),
    ("follow_up_kind", "brief"): ("and {np}?", "{np}?", "also {np}?", "now {np}."),
    ("correct", "plain"): (
        "No, I meant {place}.", "Wait, I meant {place}.", "Oh, I wanted to say {place}.",
        "Not that one, I meant {place}.",
        "I got that wrong, I meant {place}.", "My mistake: {place} is what I meant.",
    ),
    ("correct", "polite"): (
        "I am sorry, I meant {place}.", "Excuse me, I meant to say {place}.", "Pardon me, I should have said {place}.",
        "Sorry for the mix-up, I meant {place}.", "My apologies, I was thinking of {place}.",
        "Sorry, my mistake: I meant {place}.",
    ),
    ("correct", "brief"): (
        "no, {place}.", "I meant {place}.", "{place}, I mean.",
        "sorry, {place}.", "wrong, {place}.",
    ),
    ("confirm", "plain"): (
        "Is it right that {s}?", "{s}, right?", "So {s}?", "Is it true that {s}?", "I think {s}. Is that right?",
        "Someone told me that {s}. Is that true?",
    ),
    ("confirm", "polite"): (
        "Could you confirm that {s}?", "Am I right that {s}?", "May I ask whether {s}?",
        "Would you say that {s}, please?", "Please tell me whether {s}.", "If I am not mistaken, {s}?",
    ),
    ("confirm", "brief"): ("{s}?", "{s}, yes?", "so {s}?", "{s}, correct?"),
    ("phrase", "plain"): (
        'How do you write "{phrase}" in {language}?', 'What is "{phrase}" in {language}?',
        'Write "{phrase}" in {language}.', 'I need "{phrase}" in {language}.',
        'How does "{phrase}" look in {language}?', 'Tell me how to write "{phrase}" in {language}.',
    ),
    ("phrase", "polite"): (
        'Could you please write "{phrase}" in {language}?', 'How would one write "{phrase}" in {language}, please?',
        'Would you write "{phrase}" in {language} for me?', 'Please write "{phrase}" in {language}.',
        'May I ask how "{phrase}" is written in {language}?', 'I would like to have "{phrase}" in {language}.',
    ),
    ("phrase", "brief"): (
        '"{phrase}" in {language}?', '{language}: "{phrase}"?', '"{phrase}", in {language}.',
        'in {language}: "{phrase}".', '"{phrase}" to {language}.',
    ),
    ("thank", "plain"): (
        "Thank you!", "Thanks, that helps.", "Thanks a lot.", "Good to know, thanks.", "Thank you, that is all.",
        "Thanks for the answer.",
    ),
    ("thank", "polite"): (
        "Thank you very much for your help.", "Many thanks, that is very kind.", "Thank you so much.",
        "I am very grateful, thank you.", "That is most helpful, thank you.", "Thank you kindly for the information.",
    ),
    ("thank", "brief"): ("thanks.", "thanks!", "great, thanks.", "ok, thanks.", "thx."),
    ("greet", "plain"): (
        "Hello!", "Hi there.", "Hello, are you there?",
        "Hi!", "Good morning.", "Hello, I have a question.",
    ),
    ("greet", "polite"): (
        "Good day to you.", "Good evening, I hope I do not disturb you.", "Hello, may I ask you something?",
        "Good morning, could I ask a question?", "A very good day. I have a question, if I may.", "Greetings.",
    ),
    ("greet", "brief"): ("hi.", "hello.", "hey.", "hi, a question.", "morning."),
    ("goodbye", "plain"): (
        "Goodbye!", "Bye, see you.", "That was all, goodbye.", "See you later.", "Bye for now.", "I have to go, bye.",
    ),
    ("goodbye", "polite"): (
        "Goodbye, and have a pleasant day.", "I wish you a good day, goodbye.", "That was all I needed. Farewell.",
        "It was a pleasure, goodbye.", "Goodbye, until the next time.", "I shall leave you now. Goodbye.",
    ),
    ("goodbye", "brief"): ("bye.", "bye!", "see you.", "ok, bye.", "that's all, bye."),
}  # fmt: skip

REPLIES: Mapping[tuple[str, str], Wordings] = {
    ("inform", "plain"): ("{s}.", "As far as I know, {s}.", "Well, {s}.", "That is easy: {s}.", "I can tell you: {s}."),
    ("inform", "polite"): (
        "Of course: {s}.", "With pleasure: {s}.", "Certainly, {s}.", "I am happy to tell you that {s}.",
        "Thank you for asking: {s}.", "Gladly: {s}.",
    ),
    ("inform", "brief"): ("{v}.", "{s}.", "answer: {v}.", "that is {v}.", "simply {v}."),
    ("affirm", "plain"): ("Yes, {s}.", "That is right: {s}.", "Right, {s}.", "Yes, that is right.", "Yes indeed, {s}."),
    ("affirm", "polite"): (
        "Yes, you are right: {s}.", "Yes, certainly: {s}.", "Indeed, {s}.", "You are quite right, {s}.",
        "Yes, that is correct.",
    ),
    ("affirm", "brief"): ("yes.", "yes, {v}.", "correct.", "right, {v}.", "yes, {s}."),
    ("deny", "plain"): (
        "No, {s}.", "That is not right: {s}.", "Not quite: {s}.",
        "No, actually {s}.", "That is wrong, {s}.",
    ),
    ("deny", "polite"): (
        "I am afraid not: {s}.", "I am sorry, but {s}.", "No, if I may correct you: {s}.",
        "Unfortunately that is not right: {s}.",
    ),
    ("deny", "brief"): ("no, {v}.", "no: {s}.", "wrong, {v}.", "not quite, {v}."),
    ("phrase", "plain"): (
        'In {language} it is "{phrase}".', 'That is "{phrase}" in {language}.', 'You write "{phrase}" in {language}.',
        '"{phrase}" is how it looks in {language}.', 'It is written "{phrase}".',
    ),
    ("phrase", "polite"): (
        'With pleasure: in {language} it is "{phrase}".', 'Of course, in {language} one writes "{phrase}".',
        'Certainly: "{phrase}" in {language}.', 'Gladly: it is written "{phrase}".',
    ),
    ("phrase", "brief"): ('"{phrase}".', 'in {language}: "{phrase}".', 'it is "{phrase}".', '{language}: "{phrase}".'),
    ("cannot_know", "plain"): (
        "I do not know {np}.", "I cannot know {np}.", "I have no information on {np}.",
        "Sorry, I can not tell you {np}.", "That is beyond me: I do not know {np}.",
    ),
    ("cannot_know", "polite"): (
        "I am sorry, I do not know {np}.", "I regret that I have no information on {np}.",
        "Unfortunately I cannot tell you {np}.", "Please forgive me, I do not know {np}.",
    ),
    ("cannot_know", "brief"): (
        "I do not know {np}.", "no information on {np}.",
        "I cannot know {np}.", "I do not know.",
    ),
    ("welcome", "plain"): ("You are welcome.", "Happy to help.", "No problem!", "Any time.", "Glad that it helps."),
    ("welcome", "polite"): (
        "You are most welcome.", "It was my pleasure.", "I am glad that I could help you.", "My pleasure, always.",
    ),
    ("welcome", "brief"): ("welcome.", "sure.", "any time.", "no problem."),
    ("greet_back", "plain"): (
        "Hello! What would you like to know?", "Hi, how can I help?", "Hello, ask me anything about the world.",
        "Hi there, what is your question?",
    ),
    ("greet_back", "polite"): (
        "Good day! How may I help you?", "Hello, I am at your service.", "Welcome, please ask.",
        "Greetings! What may I tell you?",
    ),
    ("greet_back", "brief"): ("hello.", "hi, yes?", "hi, go ahead.", "hello, what is it?"),
    ("farewell", "plain"): ("Goodbye!", "See you soon.", "Bye, take care.", "Until next time."),
    ("farewell", "polite"): (
        "Goodbye, and all the best to you.", "Have a pleasant day.", "It was a pleasure, goodbye.",
        "Farewell, and thank you for your visit.",
    ),
    ("farewell", "brief"): ("bye.", "bye!", "see you.", "take care."),
}  # fmt: skip
LEADS: Mapping[str, Wordings] = {  # before a question; most have none
    "plain": ("", "", "", "Hey, ", "By the way, "),
    "polite": ("", "", "", "Excuse me. ", "Sorry to bother you. "),
    "brief": ("",),
}
CLOSINGS: Mapping[str, Wordings] = {  # after an answer
    "plain": ("", "", "", "", " Anything else?", " I hope that helps."),
    "polite": ("", "", "", " May I help you with anything else?", " Do let me know if you need more."),
    "brief": ("",),
}
