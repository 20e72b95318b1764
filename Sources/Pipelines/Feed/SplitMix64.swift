/// A small seeded generator: the same seed gives the same numbers everywhere.
///
/// Guy Steele, Doug Lea, Christine Flood: "Fast splittable pseudorandom number generators", 2014.
package struct SplitMix64: Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// A number of 0 ..< `bound`; the bias is below `bound` / 2⁶⁴.
  package mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0, "nothing lies below \(bound)")
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// True `count` times of a thousand.
  package mutating func perMille(_ count: Int) -> Bool { below(1_000) < count }

  package mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }
}
