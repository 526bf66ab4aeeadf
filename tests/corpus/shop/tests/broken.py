def broken(:
    pass

def fine():
    return fine()
