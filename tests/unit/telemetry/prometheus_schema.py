"""The messages of Prometheus's client model, described here anew, to decode what we write.

Source: prometheus/client_model, io/prometheus/client/metrics.proto (proto2).
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ("decoded",)

_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    "string": _Field.TYPE_STRING, "double": _Field.TYPE_DOUBLE, "uint64": _Field.TYPE_UINT64,
    "uint32": _Field.TYPE_UINT32, "sint32": _Field.TYPE_SINT32, "sint64": _Field.TYPE_SINT64,
    "int64": _Field.TYPE_INT64, "int32": _Field.TYPE_INT32,
}  # fmt: skip
_MESSAGES = {
    "LabelPair": "name:string=1 value:string=2",
    "Gauge": "value:double=1",
    "Counter": "value:double=1",
    "Bucket": "cumulative_count:uint64=1 upper_bound:double=2",
    "BucketSpan": "offset:sint32=1 length:uint32=2",
    "Histogram": "sample_count:uint64=1 sample_sum:double=2 bucket:*Bucket=3 schema:sint32=5 "
    "zero_threshold:double=6 zero_count:uint64=7 positive_span:*BucketSpan=12 "
    "positive_delta:*sint64=13",
    "Metric": "label:*LabelPair=1 gauge:Gauge=2 counter:Counter=3 histogram:Histogram=7",
    "MetricFamily": "name:string=1 help:string=2 type:int32=3 metric:*Metric=4",
}


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="m.proto", package="p", syntax="proto2")
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field in fields.split():
            rest, _, number = field.partition("=")
            field_name, _, kind = rest.partition(":")
            many = kind.startswith("*")
            kind = kind.removeprefix("*")
            made = described.field.add(
                name=field_name,
                number=int(number),
                label=_Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL,
                type=_KINDS.get(kind, _Field.TYPE_MESSAGE),
            )
            if kind not in _KINDS:
                made.type_name = f".p.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def decoded(data: bytes) -> dict[str, Any]:
    """The families of a page, by name."""
    family_class = message_factory.GetMessageClass(_pool().FindMessageTypeByName("p.MetricFamily"))
    found: dict[str, Any] = {}
    while data:
        length = shift = 0
        while True:
            byte, data = data[0], data[1:]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        family: Any = family_class.FromString(data[:length])
        assert len(data) >= length
        found[family.name] = family
        data = data[length:]
    return found
