"""The platforms, looked up by their key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from extractors.errors import ConfigurationError
from extractors.platforms import facebook, instagram, linkedin, twitter
from extractors.spec import Platform, Stream

PLATFORMS: Mapping[str, Platform] = MappingProxyType(
    {module.PLATFORM.key: module.PLATFORM for module in (linkedin, twitter, facebook, instagram)}
)


def platform(key: str) -> Platform:
    """Return a platform. Raises ConfigurationError that names the known ones."""
    if key not in PLATFORMS:
        raise ConfigurationError(f"there is no platform {key!r}", f"choose from {', '.join(PLATFORMS)}")
    return PLATFORMS[key]


def streams() -> tuple[Stream, ...]:
    """Return every stream of every platform."""
    return tuple(stream for each in PLATFORMS.values() for stream in each.streams)
