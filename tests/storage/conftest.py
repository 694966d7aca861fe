from tests.support.small_disk import remount, small_disk

__all__ = ["remount", "small_disk"]
