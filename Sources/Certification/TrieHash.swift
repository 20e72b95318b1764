import Signing
import Wire

/// The hashes of the state trie. Their first bytes tell them apart, and inner nodes have a length
/// of their own, so none can be taken for another.
enum TrieHash {
  /// H(02): the root of no rows.
  static let empty = sha256([0x02])

  /// H(00 ‖ key ‖ row).
  static func leaf(key: UnsafeRawBufferPointer, row: Digest) -> Digest {
    let count = 33 + key.count
    return withScratch(count) { base in
      base.storeBytes(of: 0x00, as: UInt8.self)
      if let source = key.baseAddress {
        (base + 1).copyMemory(from: source, byteCount: key.count)
      }
      row.store(to: base + (1 + key.count))
      return sha256(UnsafeRawBufferPointer(start: base, count: count))
    }
  }

  static func leaf(key: [UInt8], row: Digest) -> Digest {
    key.withUnsafeBytes { leaf(key: $0, row: row) }
  }

  /// H(01 ‖ bit, 4 bytes big-endian ‖ left ‖ right).
  static func inner(bit: UInt32, left: Digest, right: Digest) -> Digest {
    withScratch(69) { base in
      base.storeBytes(of: 0x01, as: UInt8.self)
      base.storeBytes(of: bit.bigEndian, toByteOffset: 1, as: UInt32.self)
      left.store(to: base + 5)
      right.store(to: base + 37)
      return sha256(UnsafeRawBufferPointer(start: base, count: 69))
    }
  }
}
