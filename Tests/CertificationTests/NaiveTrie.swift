import Certification
import Signing
import Wire

/// The trie's root by its definition: fork where the first and the last key differ first.
/// - Precondition: sorted by key.
func naiveRoot(_ rows: [(key: [UInt8], row: Digest)]) -> Digest {
  rows.isEmpty ? sha256([0x02]) : naivePart(rows[...])
}

private func naivePart(_ rows: ArraySlice<(key: [UInt8], row: Digest)>) -> Digest {
  let (first, last) = (rows[rows.startIndex], rows[rows.endIndex - 1])
  if rows.count == 1 { return sha256([0x00] + first.key + first.row.bytes) }
  var bit = 0
  while isSet(first.key, bit) == isSet(last.key, bit) { bit += 1 }
  let middle = rows.firstIndex { isSet($0.key, bit) } ?? rows.endIndex
  let left = naivePart(rows[..<middle])
  let right = naivePart(rows[middle...])
  let number = withUnsafeBytes(of: UInt32(bit).bigEndian) { Array($0) }
  return sha256([0x01] + number + left.bytes + right.bytes)
}

private func isSet(_ key: [UInt8], _ bit: Int) -> Bool { key[bit / 8] >> (7 - bit % 8) & 1 == 1 }

/// SplitMix64: the same numbers on every machine.
struct Dice: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
  mutating func roll(_ sides: Int) -> Int { Int.random(in: 0..<sides, using: &self) }
  mutating func digest() -> Digest { sha256(withUnsafeBytes(of: next()) { Array($0) }) }

  /// Keys that share beginnings, hold zeros and have several lengths.
  mutating func key() -> [UInt8] {
    var encoder = KeyEncoder(table: UInt32(1 + roll(2)))
    if encoder.bytes.last == 1 {
      encoder.int(Int64(roll(64)) - 32)
    } else {
      encoder.blob((0..<roll(4)).map { _ in [0, 0, 1, 0x80, 0xff][roll(5)] })
      encoder.text(["", "a", "ab", "b\0", "b"][roll(5)])
    }
    return encoder.bytes
  }
}

/// The rows a trie should hold, kept by hand.
struct Model {
  private(set) var rows: [(key: [UInt8], row: Digest)] = []

  mutating func apply(_ change: TrieChange) {
    rows.removeAll { $0.key == change.key }
    if let row = change.row { rows.append((change.key, row)) }
    rows.sort { $0.key.lexicographicallyPrecedes($1.key) }
  }

  func within(_ range: KeyRange) -> [(key: [UInt8], row: Digest)] {
    rows.filter { range.contains($0.key) }
  }
}

/// A batch of changes: some keys anew, some changed, some taken away.
func randomChanges(_ dice: inout Dice, count: Int) -> [TrieChange] {
  var keys: [[UInt8]] = []
  for _ in 0..<count {
    let key = dice.key()
    if !keys.contains(key) { keys.append(key) }
  }
  return keys.sorted { $0.lexicographicallyPrecedes($1) }
    .map { TrieChange(key: $0, row: dice.roll(3) == 0 ? nil : dice.digest()) }
}
