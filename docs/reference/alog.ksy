meta:
  id: alog
  title: asynclog stream
  file-extension: alog
  license: Apache-2.0
  ks-version: "0.9"
  endian: le
doc: |
  A concatenation of frames, each a msgpack object of type ext 32. See format.md beside this file.
  Describes an undamaged stream; what to do about damage is in the specification.
seq:
  - id: frames
    type: frame
    repeat: eos
enums:
  kind:
    1: segment
    2: schema
    3: rows
    4: sparse
    5: event
    6: blob
    7: slabref
    8: index
    9: gap
    10: heartbeat
    11: footer
types:
  frame:
    seq:
      - id: mark
        contents: [0xc9]
        doc: msgpack's ext 32
      - id: len_ext
        type: u4be
        doc: the frame's length less 6
      - id: kind
        type: u1
        enum: kind
      - id: content
        type: content(kind)
        size: len_ext
    instances:
      len_frame:
        value: len_ext + 6
  content:
    doc: What a msgpack reader gives as the ext's data; it begins at byte 6 of the frame.
    params:
      - id: kind
        type: u1
        enum: kind
    seq:
      - id: version
        type: u1
      - id: flags
        type: flags
      - id: nonce
        size: 8
        doc: random, the same in all frames of a segment
      - id: header_crc
        type: u4
        doc: CRC-32C of the frame's bytes 0 to 15 and 24 to 63
      - id: body_crc
        type: u4
        doc: CRC-32C of the frame's bytes from 64 on
      - id: seq_number
        type: u8
      - id: len_payload
        type: u4
      - id: schema
        type: u4
      - id: time_ns
        type: s8
      - id: len_meta
        type: u4
        valid:
          max: 1048576
      - id: ofs_payload
        type: u4
        doc: from the frame's first byte
      - id: len_raw
        type: u4
        doc: bytes of the payload before compression
      - id: count
        type: u4
      - id: meta
        size: len_meta
        doc: a msgpack map, or nothing
    instances:
      payload:
        pos: ofs_payload - 6
        size: len_payload
        if: not is_index
        doc: rows, records, arrays or a part of one; series as msgpack in a SCHEMA; compressed where flags say so
      entries:
        pos: ofs_payload - 6
        type: index_entry
        repeat: expr
        repeat-expr: len_payload / 24
        if: is_index
      is_index:
        value: kind == kind::index
  flags:
    meta:
      bit-endian: le
    seq:
      - id: zstd
        type: b1
      - id: reserved
        type: b1
      - id: shuffle
        type: b1
      - id: unused
        type: b4
      - id: must_understand
        type: b1
  index_entry:
    seq:
      - id: offset
        type: u8
      - id: seq_number
        type: u8
      - id: time_ns
        type: s8
