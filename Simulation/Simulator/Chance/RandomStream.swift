/// A stream of pseudo-random numbers for one purpose, named by the run's seed and a label.
///
/// Streams are split by purpose (each link, each client, each disk), so that taking one fault away
/// does not shift what the others draw. xoshiro256** by Blackman and Vigna, seeded by SplitMix64.
///
/// - Safety: a function of seed and label only; the same in every process.
package struct RandomStream: Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  package init(seed: UInt64, label: String) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in label.utf8 {
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    var source = SplitMix64(state: seed &+ hash &* 0x9e37_79b9_7f4a_7c15)
    state = (source.next(), source.next(), source.next(), source.next())
  }

  package mutating func next() -> UInt64 {
    let result = rotate(state.1 &* 5, by: 7) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = rotate(state.3, by: 45)
    return result
  }

  private func rotate(_ value: UInt64, by count: UInt64) -> UInt64 {
    value << count | value >> (64 - count)
  }

  /// A number in `0 ..< bound`; 0 when `bound` is 0.
  package mutating func below(_ bound: UInt64) -> UInt64 {
    bound == 0 ? 0 : next().multipliedFullWidth(by: bound).high
  }

  package mutating func below(_ bound: Int) -> Int {
    Int(below(UInt64(max(bound, 0))))
  }

  /// A number in `range`.
  package mutating func within(_ range: ClosedRange<UInt64>) -> UInt64 {
    let width = range.upperBound - range.lowerBound
    return width == .max ? next() : range.lowerBound + below(width + 1)
  }

  /// True in `ppm` of a million draws.
  package mutating func happens(_ ppm: UInt64) -> Bool {
    ppm > 0 && below(1_000_000) < ppm
  }

  /// True in `ppm` of a million cases, without a draw where it is certain.
  package mutating func befalls(_ ppm: UInt64) -> Bool {
    ppm >= 1_000_000 || happens(ppm)
  }

  /// - Precondition: `choices` is not empty.
  package mutating func pick<Element>(_ choices: [Element]) -> Element {
    choices[below(choices.count)]
  }

  /// `count` of the choices, in ascending order of their places.
  package mutating func pick<Element>(_ count: Int, of choices: [Element]) -> [Element] {
    var places = Array(choices.indices)
    while places.count > max(count, 0) { places.remove(at: below(places.count)) }
    return places.map { choices[$0] }
  }

  package mutating func bytes(_ count: Int) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(count)
    while out.count < count {
      var word = next()
      for _ in 0..<min(8, count - out.count) {
        out.append(UInt8(truncatingIfNeeded: word))
        word >>= 8
      }
    }
    return out
  }
}

/// Steele, Lea and Flood's SplitMix64: spreads one number over a larger state.
private struct SplitMix64 {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }
}
