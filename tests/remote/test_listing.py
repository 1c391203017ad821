"""What counts at an address, also after a writing that was cut short."""

import pytest
from troubled import spoil

from synthgen.remote.listing import SLOTS, Listing, read_listing, write_listing
from synthgen.remote.store import Store


@pytest.fixture
def objects(address):
    return Store(address)


def test_the_newest_counts(objects):
    assert read_listing(objects) is None
    listing = Listing()
    for number in range(5):
        listing = listing.after({"model/a": (number, "0" * 64)})
        write_listing(objects, listing)
        assert read_listing(objects) == listing
    assert set(objects.sizes()) == set(SLOTS) and listing.number == 5


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", None], ids=["empty", "cut", "list", "bare", "altered"])
def test_one_that_is_cut_short_leaves_the_one_before(objects, address, data):
    first = Listing().after({"state/recipe.json": (1, "0" * 64)})
    second = first.after({"model/a": (2, "1" * 64)})
    write_listing(objects, first)
    write_listing(objects, second)
    spoil(address, SLOTS[second.number % 2], data)
    assert read_listing(objects) == first


def test_files_below_a_name():
    listing = Listing(files={"model/a": (1, ""), "model/b/c": (2, ""), "modelling": (3, ""), "state/done": (4, "")})
    assert set(listing.below("model", "state/done")) == {"model/a", "model/b/c", "state/done"}
    assert not listing.below("")
