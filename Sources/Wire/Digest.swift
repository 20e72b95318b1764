/// A SHA-256 digest: 32 bytes, kept in four words so that it needs no allocation.
package struct Digest: Hashable, Comparable, Canonical, CustomStringConvertible {
  private let words: (UInt64, UInt64, UInt64, UInt64)

  /// 32 zero bytes: stands for "no parent", and no message hashes to it that we could find.
  package static let zero = Digest(0, 0, 0, 0)

  private init(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) { words = (a, b, c, d) }

  /// - Returns: nil unless there are exactly 32 bytes.
  package init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    self = Array(bytes).withUnsafeBytes { Digest(words: $0, at: 0) }
  }

  /// - Precondition: 32 bytes from `offset` on.
  init(words source: UnsafeRawBufferPointer, at offset: Int) {
    words = (
      source.loadUnaligned(fromByteOffset: offset, as: UInt64.self).bigEndian,
      source.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self).bigEndian,
      source.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self).bigEndian,
      source.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self).bigEndian
    )
  }

  /// - Returns: nil unless `hex` is 64 lower-case hexadecimal digits.
  package init?(hex: String) {
    guard let bytes = [UInt8](hex: hex) else { return nil }
    self.init(bytes)
  }

  /// Reads 32 bytes from `source`, which need not be aligned.
  package init(loading source: UnsafeRawPointer) {
    words = (
      source.loadUnaligned(as: UInt64.self).bigEndian,
      source.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian,
      source.loadUnaligned(fromByteOffset: 16, as: UInt64.self).bigEndian,
      source.loadUnaligned(fromByteOffset: 24, as: UInt64.self).bigEndian
    )
  }

  /// Writes 32 bytes to `target`, which need not be aligned.
  package func store(to target: UnsafeMutableRawPointer) {
    target.storeBytes(of: words.0.bigEndian, as: UInt64.self)
    target.storeBytes(of: words.1.bigEndian, toByteOffset: 8, as: UInt64.self)
    target.storeBytes(of: words.2.bigEndian, toByteOffset: 16, as: UInt64.self)
    target.storeBytes(of: words.3.bigEndian, toByteOffset: 24, as: UInt64.self)
  }

  package var bytes: [UInt8] {
    var encoder = Encoder(capacity: 32)
    encoder.digest(self)
    return encoder.bytes
  }

  package var hex: String { bytes.hex }
  /// The first eight hexadecimal digits, for people.
  package var short: String { String(hex.prefix(8)) }
  package var description: String { short }

  package static func == (a: Self, b: Self) -> Bool { a.words == b.words }
  package static func < (a: Self, b: Self) -> Bool { a.words < b.words }
  package func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.3)
  }

  package func encode(into encoder: inout Encoder) {
    encoder.digest(self)
  }

  package init(from decoder: inout Decoder) throws(Malformed) { self = try decoder.digest() }
}

/// An Ed25519 public key (RFC 8032): 32 bytes. Names a person, a program or a replica.
package struct PublicKey: Hashable, Comparable, Canonical, CustomStringConvertible {
  private let value: Digest

  package init?(_ bytes: some Collection<UInt8>) {
    guard let value = Digest(bytes) else { return nil }
    self.value = value
  }

  package init?(hex: String) {
    guard let value = Digest(hex: hex) else { return nil }
    self.value = value
  }

  package var bytes: [UInt8] { value.bytes }
  /// Writes 32 bytes to `target`, which need not be aligned.
  package func store(to target: UnsafeMutableRawPointer) { value.store(to: target) }
  package var hex: String { value.hex }
  package var description: String { value.short }
  package static func < (a: Self, b: Self) -> Bool { a.value < b.value }

  package func encode(into encoder: inout Encoder) { value.encode(into: &encoder) }
  package init(from decoder: inout Decoder) throws(Malformed) {
    value = try Digest(from: &decoder)
  }
}

/// An Ed25519 signature: 64 bytes. Nothing is said yet of whether it verifies.
package struct Signature: Hashable, Canonical, CustomStringConvertible {
  private let first: Digest
  private let second: Digest

  package init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == 64, let first = Digest(bytes.prefix(32)),
      let second = Digest(bytes.suffix(32))
    else { return nil }
    self.first = first
    self.second = second
  }

  /// Reads 64 bytes from `source`, which need not be aligned.
  package init(loading source: UnsafeRawPointer) {
    first = Digest(loading: source)
    second = Digest(loading: source + 32)
  }

  package var bytes: [UInt8] { first.bytes + second.bytes }
  package var description: String { first.short }

  package func encode(into encoder: inout Encoder) {
    first.encode(into: &encoder)
    second.encode(into: &encoder)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    first = try Digest(from: &decoder)
    second = try Digest(from: &decoder)
  }
}

extension [UInt8] {
  /// Lower-case hexadecimal digits, two a byte.
  package var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    var out: [UInt8] = []
    out.reserveCapacity(count * 2)
    for byte in self {
      out.append(digits[Int(byte >> 4)])
      out.append(digits[Int(byte & 15)])
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// - Returns: nil unless `hex` is an even number of lower-case hexadecimal digits.
  package init?(hex: String) {
    func nibble(_ byte: UInt8) -> UInt8? {
      switch byte {
      case 0x30...0x39: byte - 0x30
      case 0x61...0x66: byte - 0x61 + 10
      default: nil
      }
    }
    let utf8 = Array<UInt8>(hex.utf8)
    guard utf8.count % 2 == 0 else { return nil }
    var out: [UInt8] = []
    out.reserveCapacity(utf8.count / 2)
    for index in stride(from: 0, to: utf8.count, by: 2) {
      guard let high = nibble(utf8[index]), let low = nibble(utf8[index + 1]) else { return nil }
      out.append(high << 4 | low)
    }
    self = out
  }
}
