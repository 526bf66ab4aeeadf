import shop
from shop import find, place_order


def test_find():
    assert find("tea").total(2) == 6
    assert shop.find("cup").describe()


def test_place():
    place_order("tea", 2)
    unknown("tea")
