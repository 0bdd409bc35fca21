"""The model: a server that speaks the GA Realtime protocol, with a scripted mind and eSpeak NG for a voice.

:class:`ModelSession` is the protocol without a socket or a clock; :class:`ModelServer` puts sessions on a port.
"""

from .faults import Fate, Faults, Wire
from .server import ModelServer, SessionLog, SessionPlan
from .session import ModelSession
from .timing import ModelTiming

__all__ = ["Fate", "Faults", "ModelServer", "ModelSession", "ModelTiming", "SessionLog", "SessionPlan", "Wire"]
