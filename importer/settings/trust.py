"""Whether a settings file that was found, not named, may be used: only if no other user can have written it.

Such a file says where credentials are sent. The file decides, not its folder: whoever can write the folder can put
another file there, but not one that this user or root owns.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping

from importer.system.late import late

_ROOT = 0
#: On Linux, an access list shows the most that it gives anyone as the permissions of the group.
_ACCESS_LIST = "system.posix_acl_access"


def why_not_trusted(file: int, environ: Mapping[str, str]) -> str:
    """Why the open file may be someone else's work; "" if it is not, and on Windows, which has no such owners."""
    if sys.platform == "win32":
        return ""
    found = os.fstat(file)
    user = os.geteuid()
    if found.st_uid not in (_ROOT, user) and not _is_who_typed_sudo(found.st_uid, user, environ):
        return f"it belongs to {_user_name(found.st_uid) or found.st_uid}"
    if found.st_mode & stat.S_IWOTH:
        return "every user can write it"
    if found.st_mode & stat.S_IWGRP and not _is_private(file, found):
        return f"the group {_group(found.st_gid)[0] or found.st_gid} can write it"
    return ""


def _is_who_typed_sudo(owner: int, user: int, environ: Mapping[str, str]) -> bool:
    return user == _ROOT and environ.get("SUDO_UID") == str(owner)


def _is_private(file: int, found: os.stat_result) -> bool:
    """Whether the group is root's, or the owner's own, as many systems create one for each user with umask 002."""
    if _has_access_list(file):
        return False
    if found.st_gid == _ROOT:
        return True
    owner = _user_name(found.st_uid)
    name, members = _group(found.st_gid)
    named_alike = name == owner if name and owner else found.st_gid == found.st_uid
    return named_alike and set(members) <= {owner}


def _has_access_list(file: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        return _ACCESS_LIST in os.listxattr(file)
    except OSError:
        # The file system has none.
        return False


def _user_name(user: int) -> str:
    """Empty where the system does not know the number, as in many containers."""
    try:
        # Windows has no such module.
        name: str = late("pwd", "getpwuid")(user).pw_name
    except KeyError:
        return ""
    return name


def _group(group: int) -> tuple[str, list[str]]:
    """Name and members; both empty where the system does not know the number."""
    try:
        found = late("grp", "getgrgid")(group)
    except KeyError:
        return "", []
    return found.gr_name, found.gr_mem
