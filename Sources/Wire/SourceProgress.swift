/// How far one source has come in event time, and when it last took a row. Times are milliseconds
/// since 1970, spans are milliseconds.
package struct SourceProgress: Hashable, Canonical {
  package let source: String
  /// What becomes of a row below the watermark: `accept`, `quarantine` or `reject`; empty for a
  /// source without event time.
  package let late: String
  /// The largest event time accepted; nil before the first.
  package var eventHighest: Int64?
  /// How far behind the largest event time a row is still on time.
  package let lateness: UInt64
  /// Block time of the last update that took a row; known of sources with `freshness:` alone.
  package var acceptedAt: Moment?
  package let bound: Bound?

  /// Ages of the last accepted row from which on operators are told.
  package struct Bound: Hashable, Sendable {
    package let warnAfter: UInt64
    package let errorAfter: UInt64

    package init(warnAfter: UInt64, errorAfter: UInt64) {
      self.warnAfter = warnAfter
      self.errorAfter = errorAfter
    }
  }

  package enum Staleness: String, Sendable {
    case fresh
    case warn
    case error
  }

  package init(
    source: String, late: String, eventHighest: Int64?, lateness: UInt64, acceptedAt: Moment?,
    bound: Bound?
  ) {
    self.source = source
    self.late = late
    self.eventHighest = eventHighest
    self.lateness = lateness
    self.acceptedAt = acceptedAt
    self.bound = bound
  }

  /// Below it a row is late; nil before the first accepted event time.
  package var watermark: Int64? {
    eventHighest.map { highest in
      let (value, overflow) = highest.subtractingReportingOverflow(Int64(clamping: lateness))
      return overflow ? .min : value
    }
  }

  /// Milliseconds since the last accepted row; nil where none is known.
  package func age(at now: Moment) -> UInt64? {
    acceptedAt.map { now > $0 ? now.number - $0.number : 0 }
  }

  /// nil where nothing bounds it, or no row was accepted yet.
  package func staleness(at now: Moment) -> Staleness? {
    guard let bound, let age = age(at: now) else { return nil }
    if age > bound.errorAfter { return .error }
    return age > bound.warnAfter ? .warn : .fresh
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(source)
    encoder.text(late)
    encoder.flag(eventHighest != nil)
    if let eventHighest { encoder.integer(eventHighest) }
    encoder.integer(lateness)
    encoder.flag(acceptedAt != nil)
    if let acceptedAt { encoder.value(acceptedAt) }
    encoder.flag(bound != nil)
    if let bound {
      encoder.integer(bound.warnAfter)
      encoder.integer(bound.errorAfter)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    source = try decoder.text(limit: Limits.nameBytesMax)
    late = try decoder.text(limit: Limits.nameBytesMax)
    eventHighest = try decoder.flag() ? try decoder.integer() : nil
    lateness = try decoder.integer()
    acceptedAt = try decoder.flag() ? try decoder.value() : nil
    bound =
      try decoder.flag()
      ? Bound(warnAfter: try decoder.integer(), errorAfter: try decoder.integer()) : nil
  }
}
