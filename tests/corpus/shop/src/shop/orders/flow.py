from ..catalog import Item, find

try:
    from fastjson import dumps
except ImportError:
    from json import dumps


class Gift(Item):
    def total(self, count=1):
        return super().total(count) + 1


def place(name, count):
    item = find(name)
    lines = [line(item, n) for n in range(count)]
    return dumps(lines)


def line(item, n):
    def render(value):
        return f"{value}:{item.total(n)}"

    return render(item.describe())
