"""Tells the kernel which sockets of one address get new connections."""

import ctypes
import socket
import struct

__all__ = ("steer",)

_ATTACH = getattr(socket, "SO_ATTACH_REUSEPORT_CBPF", 51)

# Classic BPF (Documentation/networking/filter.rst): the opcodes, and where the kernel keeps its
# random number.
_LOAD, _MODULO, _RETURN_A = 0x20, 0x94, 0x16
_RANDOM = 0xFFFFF000 + 56


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


def steer(member: socket.socket, count: int) -> bool:
    """Lets new connections go only to the first sockets of an address, by equal chance.

    The sockets are counted in the order in which they began to listen. Connections that wait at
    others stay there. Linux since 4.5, without any right (SO_ATTACH_REUSEPORT_CBPF in socket(7)).

    Args:
        member: any of the sockets; it listens, and was set to SO_REUSEPORT before it did.
        count: how many of the sockets get connections, at least 1.

    Returns:
        Whether the kernel does so.
    """
    steps = ((_LOAD, _RANDOM), (_MODULO, count), (_RETURN_A, 0))
    program = (_Instruction * len(steps))(*(_Instruction(code, 0, 0, k) for code, k in steps))
    try:
        member.setsockopt(
            socket.SOL_SOCKET, _ATTACH, struct.pack("HL", len(steps), ctypes.addressof(program))
        )
    except OSError:
        return False
    return True
