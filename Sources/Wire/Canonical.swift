/// Canonical bytes: one encoding a value, by the rules of BCS (Binary Canonical Serialization):
/// little-endian integers of fixed width, ULEB128 lengths and variant indices, no padding.
///
/// - Safety: a decoder accepts exactly the bytes that the encoder would have written, so equal
///   values have equal digests and a byte string has at most one meaning.
/// - Bound: a length is checked against what is left before anything is allocated for it.
package protocol Canonical: Sendable {
  /// Appends the one encoding of this value.
  func encode(into encoder: inout Encoder)
  /// Reads one value; what follows it is left in the decoder.
  init(from decoder: inout Decoder) throws(Malformed)
}

/// Why bytes are not a canonical value. `offset` counts bytes from the start of the message.
package struct Malformed: Error, Equatable, CustomStringConvertible {
  package let what: String
  package let offset: Int

  package init(_ what: String, at offset: Int) {
    self.what = what
    self.offset = offset
  }

  package var description: String { "malformed bytes at offset \(offset): \(what)" }
}

extension Canonical {
  /// The canonical bytes of this value alone.
  package var canonicalBytes: [UInt8] {
    var encoder = Encoder()
    encode(into: &encoder)
    return encoder.bytes
  }

  /// Reads a value that fills `bytes` to the last one.
  package init(canonicalBytes bytes: [UInt8]) throws(Malformed) {
    var decoder = Decoder(bytes)
    self = try Self(from: &decoder)
    try decoder.finish()
  }
}

/// Writes canonical bytes.
package struct Encoder: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init(capacity: Int = 0) {
    if capacity > 0 { bytes.reserveCapacity(capacity) }
  }

  /// Forgets what was written and keeps the memory for what comes.
  package mutating func restart() { bytes.removeAll(keepingCapacity: true) }

  package mutating func byte(_ value: UInt8) { bytes.append(value) }

  package mutating func raw(_ value: some Sequence<UInt8>) { bytes.append(contentsOf: value) }

  package mutating func raw(_ value: [UInt8]) { bytes.append(contentsOf: value) }

  package mutating func raw(_ value: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: value)
  }

  package mutating func integer(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  package mutating func flag(_ value: Bool) { bytes.append(value ? 1 : 0) }

  /// 32 bytes.
  mutating func digest(_ value: Digest) {
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { buffer in
      guard let base = buffer.baseAddress else { return }
      value.store(to: base)
      bytes.append(contentsOf: UnsafeRawBufferPointer(buffer))
    }
  }

  /// ULEB128 in as few bytes as possible, at most 32 bits.
  package mutating func length(_ value: Int) {
    precondition(value >= 0 && value <= Int(UInt32.max), "length \(value) has no encoding")
    var rest = UInt32(value)
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  package mutating func variant(_ index: Int) { length(index) }

  package mutating func blob(_ value: [UInt8]) {
    length(value.count)
    bytes.append(contentsOf: value)
  }

  package mutating func text(_ value: String) {
    let utf8 = value.utf8
    length(utf8.count)
    bytes.append(contentsOf: utf8)
  }

  package mutating func value(_ value: some Canonical) { value.encode(into: &self) }

  package mutating func optional(_ value: (some Canonical)?) {
    flag(value != nil)
    value?.encode(into: &self)
  }

  package mutating func list(_ values: some Collection<some Canonical>) {
    length(values.count)
    for value in values { value.encode(into: &self) }
  }
}

/// Reads canonical bytes; every fault is a `Malformed`, never a trap.
package struct Decoder: Sendable {
  private let bytes: [UInt8]
  package private(set) var offset = 0

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package var remaining: Int { bytes.count - offset }

  package func fault(_ what: String) -> Malformed { Malformed(what, at: offset) }

  package mutating func byte() throws(Malformed) -> UInt8 {
    guard offset < bytes.count else { throw fault("the bytes end early") }
    defer { offset += 1 }
    return bytes[offset]
  }

  package mutating func raw(_ count: Int) throws(Malformed) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else { throw fault("the bytes end early") }
    defer { offset += count }
    return bytes[offset..<(offset + count)]
  }

  package mutating func integer<T: FixedWidthInteger>(
    _ type: T.Type = T.self
  ) throws(Malformed) -> T {
    let count = T.bitWidth / 8
    guard count <= remaining else { throw fault("the bytes end early") }
    var value: T = 0
    withUnsafeMutableBytes(of: &value) { target in
      bytes.withUnsafeBytes { source in
        target.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[offset..<(offset + count)]))
      }
    }
    offset += count
    return T(littleEndian: value)
  }

  /// 32 bytes.
  mutating func digest() throws(Malformed) -> Digest {
    guard remaining >= 32 else { throw fault("the bytes end early") }
    defer { offset += 32 }
    return bytes.withUnsafeBytes { source in
      Digest(words: source, at: offset)
    }
  }

  package mutating func flag() throws(Malformed) -> Bool {
    switch try byte() {
    case 0: return false
    case 1: return true
    default: throw fault("a flag is 0 or 1")
    }
  }

  /// A ULEB128 number of at most 32 bits, in its shortest form, at most `limit`.
  package mutating func length(limit: Int) throws(Malformed) -> Int {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      guard shift < 35 else { throw fault("a length has more than five bytes") }
      value |= UInt64(next & 0x7f) << shift
      if next & 0x80 == 0 {
        guard next != 0 || shift == 0 else { throw fault("a length is not in its shortest form") }
        break
      }
      shift += 7
    }
    guard value <= UInt64(UInt32.max), Int(value) <= limit else {
      throw fault("a length of \(value) is over the limit of \(limit)")
    }
    return Int(value)
  }

  package mutating func variant(count: Int) throws(Malformed) -> Int {
    try length(limit: count - 1)
  }

  package mutating func blob(limit: Int) throws(Malformed) -> [UInt8] {
    Array(try raw(try length(limit: limit)))
  }

  package mutating func text(limit: Int) throws(Malformed) -> String {
    let slice = try raw(try length(limit: limit))
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw fault("a text is not valid UTF-8")
    }
    return text
  }

  package mutating func value<T: Canonical>(_ type: T.Type = T.self) throws(Malformed) -> T {
    try T(from: &self)
  }

  package mutating func optional<T: Canonical>(
    _ type: T.Type = T.self
  ) throws(Malformed) -> T? {
    try flag() ? try T(from: &self) : nil
  }

  /// A list of at most `limit` values. Nothing is reserved for what is only claimed.
  package mutating func list<T: Canonical>(
    _ type: T.Type = T.self, limit: Int
  ) throws(Malformed) -> [T] {
    let count = try length(limit: limit)
    var values: [T] = []
    values.reserveCapacity(min(count, 64))
    for _ in 0..<count { values.append(try T(from: &self)) }
    return values
  }

  package func finish() throws(Malformed) {
    guard remaining == 0 else { throw fault("\(remaining) bytes follow the value") }
  }
}
