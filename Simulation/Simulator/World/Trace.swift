import Signing
import Wire

/// A digest over everything that happened, in order: two runs are the same if their digests are.
///
/// - Bound: a block of words is hashed at a time; nothing of the past is kept but its digest.
struct Trace {
  private static let wordsMax = 1_024
  private var digest = Digest.zero
  private var words: [UInt64] = []
  private(set) var events: UInt64 = 0

  mutating func record(_ time: UInt64, _ what: UInt8, _ machine: Int, _ detail: UInt64) {
    events += 1
    words.append(time << 16 ^ UInt64(what) << 8 ^ UInt64(machine))
    words.append(detail)
    if words.count >= Self.wordsMax { fold() }
  }

  mutating func finish() -> Digest {
    fold()
    return digest
  }

  private mutating func fold() {
    guard !words.isEmpty else { return }
    digest = withScratch(32 + words.count * 8) { target in
      digest.store(to: target)
      for (place, word) in words.enumerated() {
        target.storeBytes(of: word.littleEndian, toByteOffset: 32 + place * 8, as: UInt64.self)
      }
      return sha256(UnsafeRawBufferPointer(start: target, count: 32 + words.count * 8))
    }
    words.removeAll(keepingCapacity: true)
  }
}

/// A hash of bytes that is the same in every process, eight at a time.
func fingerprint(_ bytes: [UInt8]) -> UInt64 {
  bytes.withUnsafeBytes { buffer in
    var hash: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(buffer.count)
    var offset = 0
    while offset + 8 <= buffer.count {
      let word = buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
      hash = mixed(hash ^ word)
      offset += 8
    }
    var last: UInt64 = 0
    for index in offset..<buffer.count { last = last << 8 | UInt64(buffer[index]) }
    return mixed(hash ^ last)
  }
}

func fingerprint(_ digest: Digest) -> UInt64 {
  fingerprint(digest.bytes)
}

private func mixed(_ value: UInt64) -> UInt64 {
  let word = (value ^ value >> 32) &* 0xd6e8_feb8_6659_fd93
  return word ^ word >> 29
}
