/// How often numbers came, from which quantiles are read.
///
/// - Bound: about 128 counters for each power of two up to the largest number; a quantile is right
///   to one part in 128.
package struct Distribution: Sendable, Hashable {
  private static let bits = 7

  package private(set) var count: UInt64 = 0
  private var counters: [UInt64] = []

  package init() {}

  package mutating func add(_ number: UInt64) {
    let place = Self.place(of: number)
    if place >= counters.count {
      counters += [UInt64](repeating: 0, count: place + 1 - counters.count)
    }
    counters[place] += 1
    count += 1
  }

  /// The number that `share` of a hundred do not exceed; nil when there is none.
  package func percentile(_ share: UInt64) -> UInt64? {
    guard count > 0 else { return nil }
    let rank = max(1, (count * min(share, 100) + 99) / 100)
    var seen: UInt64 = 0
    for (place, counter) in counters.enumerated() {
      seen += counter
      if seen >= rank { return Self.middle(of: place) }
    }
    return nil
  }

  /// Small numbers have a counter each; of larger ones the leading eight bits choose it.
  private static func place(of number: UInt64) -> Int {
    let length = UInt64.bitWidth - number.leadingZeroBitCount
    let shift = max(0, length - bits - 1)
    return (shift << bits) + Int(number >> UInt64(shift))
  }

  private static func middle(of place: Int) -> UInt64 {
    let shift = max(0, (place >> bits) - 1)
    let low = UInt64(place - (shift << bits)) << UInt64(shift)
    return low + (1 << UInt64(shift)) / 2
  }
}
