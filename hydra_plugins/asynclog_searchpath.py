"""Puts asynclog's configs on Hydra's search path, behind the application's own. Hydra finds this by its package's name."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class AsynclogSearchPath(SearchPathPlugin):
    """Behind everything else, so that a config of the application's with the same name is the one that counts."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append(provider="asynclog", path="pkg://asynclog.config.hydra")
