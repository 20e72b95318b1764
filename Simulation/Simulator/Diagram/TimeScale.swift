/// Where moments lie on a picture: downwards by time, long waits shortened.
struct TimeScale: Sendable {
  /// A wait that is drawn shorter than it was.
  struct Gap: Sendable {
    let from: UInt64
    let until: UInt64
    let y: Double
  }

  private let times: [UInt64]
  private let places: [Double]
  let gaps: [Gap]
  let bottom: Double

  /// - Parameters:
  ///   - moments: of all that is drawn, in microseconds, in any order.
  ///   - gapMax: no wait is drawn longer, in pixels.
  init(_ moments: [UInt64], pixelsPerMillisecond: Double, gapMax: Double, top: Double) {
    var times: [UInt64] = []
    for time in moments.sorted() where time != times.last { times.append(time) }
    var places: [Double] = []
    var gaps: [Gap] = []
    var y = top
    for (place, time) in times.enumerated() {
      if place > 0 {
        let wait = Double(time - times[place - 1]) / 1_000 * pixelsPerMillisecond
        if wait > gapMax {
          gaps.append(Gap(from: times[place - 1], until: time, y: y + gapMax / 2))
        }
        y += min(wait, gapMax)
      }
      places.append(y)
    }
    self.times = times
    self.places = places
    self.gaps = gaps
    bottom = y
  }

  var first: UInt64 { times.first ?? 0 }
  var last: UInt64 { times.last ?? 0 }

  /// Pixels from the top; what lies outside is at the rim.
  func y(_ time: UInt64) -> Double {
    var low = 0
    var high = times.count
    while low < high {
      let middle = (low + high) / 2
      if times[middle] < time { low = middle + 1 } else { high = middle }
    }
    guard low < times.count else { return bottom }
    if times[low] == time || low == 0 { return places[low] }
    let (before, after) = (times[low - 1], times[low])
    let share = Double(time - before) / Double(after - before)
    return places[low - 1] + share * (places[low] - places[low - 1])
  }
}
