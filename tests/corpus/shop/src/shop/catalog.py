"""What there is to buy."""

import os.path
from dataclasses import dataclass


class Named:
    def label(self):
        return str(self)


@dataclass
class Item(Named):
    name: str
    price: int

    def total(self, count=1):
        return self.price * count

    def describe(self):
        return self.label() + str(self.total())


ITEMS = [Item("tea", 3), Item("cup", 5)]


def find(name):
    for item in ITEMS:
        if item.name == name:
            return item
    raise missing(name)


def missing(name):
    return KeyError(os.path.join("items", name))
