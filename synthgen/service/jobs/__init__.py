"""Jobs: whole runs that callers ask for, kept in a database, each made by a process of its own."""
