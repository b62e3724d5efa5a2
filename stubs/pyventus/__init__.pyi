# Partial stubs of pyventus 0.8, which says that it is typed and ships no py.typed: what benchmarks and the migration
# page use, checked against the installed package by `stubtest`.

__version__: str

class PyventusException(Exception):
    errors: str | list[str]
    def __init__(self, errors: str | list[str] | None = None) -> None: ...
