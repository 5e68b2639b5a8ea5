"""What can go wrong with the local stack, drawn as one tree.

    StackError
    +-- JavaError             no Java, one that does not run, or one that is too old
    +-- RegistryError         the registry of jars cannot be reached or does not offer a jar
    +-- ChecksumError         a jar arrived, but is not the one that was committed to
    +-- NoSpaceError          the disk, a quota or a limit is full
    +-- ProgramNotFoundError  a program such as redis-server is not installed
    +-- PortTakenError        another process listens where a server was to listen
    +-- DataFolderError       the data folder is in use by another process, or cannot be used
    +-- StartFailedError      a server ended before it was ready, or was not ready in time

Every message names what was given and what to do.
"""


class StackError(Exception):
    """The local stack could not be brought up; the message says why and what to do."""


class JavaError(StackError):
    """No Java of the needed version was found."""


class RegistryError(StackError):
    """The registry of jars could not be reached, or does not offer a jar."""


class ChecksumError(StackError):
    """A fetched jar differs from the one whose checksum is committed."""


class NoSpaceError(StackError):
    """A file could not be written for want of space."""


class ProgramNotFoundError(StackError):
    """A program that the stack starts is not installed."""


class PortTakenError(StackError):
    """A port is already in use by another process."""


class DataFolderError(StackError):
    """A data folder is in use by another process, or its path cannot be used."""


class StartFailedError(StackError):
    """A server ended before it was ready, or was not ready in time."""
