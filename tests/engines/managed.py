"""A context that is removed also where its start fails."""


class Managed:
    """A subclass has start() and remove()."""

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()
