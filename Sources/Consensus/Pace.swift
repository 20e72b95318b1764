import Wire

/// The assumed message delay `Δ`, which follows the real one (rule R12).
///
/// - Liveness: it reaches `8 · base`, so a real delay below that is always outlived.
/// - Bound: never above `8 · base`.
package struct Pace: Hashable, Sendable {
  package let base: Span
  package private(set) var steps = 0
  private let capped: Bool
  private let resets: Bool

  package init(base: Span, capped: Bool = true, resets: Bool = false) {
    precondition(base > 0, "no delay to start from")
    self.base = base
    self.capped = capped
    self.resets = resets
  }

  /// `base · 1.25^steps`, at most `8 · base`.
  package var delay: Span {
    var delay = base.number
    for _ in 0..<steps {
      let (product, overflow) = delay.multipliedReportingOverflow(by: 5)
      delay = overflow ? UInt64.max / 64 : product / 4
    }
    let cap = base.number.multipliedReportingOverflow(by: VotingLimits.delayFactorMax).partialValue
    return Span(capped ? min(delay, cap) : min(delay, UInt64.max / 64))
  }

  /// A view passed without finality.
  package mutating func slow() {
    if !capped || steps < VotingLimits.delayStepsMax { steps += 1 }
  }

  /// A view was finalized. One step only: falling to zero fails most views of a slow network.
  package mutating func quicken() {
    if steps > 0 { steps = resets ? 0 : steps - 1 }
  }
}

extension Span {
  /// `count` times as long; stays at the longest.
  package func times(_ count: UInt64) -> Span {
    let (product, overflow) = number.multipliedReportingOverflow(by: count)
    return Span(overflow ? UInt64.max : product)
  }
}
