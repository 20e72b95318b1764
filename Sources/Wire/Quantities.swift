/// A number with a meaning: a view is not a height, and neither is a count of cycles.
package protocol Quantity: Hashable, Comparable, Canonical, CustomStringConvertible,
  ExpressibleByIntegerLiteral
{
  associatedtype Number: FixedWidthInteger & Sendable
  var number: Number { get }
  init(_ number: Number)
}

extension Quantity {
  package init(integerLiteral value: Number) { self.init(value) }
  package static func < (a: Self, b: Self) -> Bool { a.number < b.number }
  package var description: String { "\(number)" }
  package func encode(into encoder: inout Encoder) { encoder.integer(number) }
  package init(from decoder: inout Decoder) throws(Malformed) {
    self.init(try decoder.integer(Number.self))
  }
  /// One more; stays at the largest number, so hostile input cannot overflow it.
  package var next: Self { number == Number.max ? self : Self(number + 1) }
  /// `count` more; stays at the largest number.
  package func advanced(by count: Number) -> Self {
    let (sum, overflow) = number.addingReportingOverflow(count)
    return Self(overflow ? Number.max : sum)
  }
  /// How far above `other`; 0 when it is not above.
  package func above(_ other: Self) -> Number { number > other.number ? number - other.number : 0 }
}

/// A member's place in the committee of an epoch, 0 ..< n.
package struct ReplicaID: Quantity {
  package let number: UInt16
  package init(_ number: UInt16) { self.number = number }
  package var index: Int { Int(number) }
  package var description: String { "r\(number)" }
}

/// One attempt of one leader. Views start at 1 in each epoch; view 0 is finalized.
package struct View: Quantity {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
}

/// A block's place in the chain. Genesis is 0.
package struct Height: Quantity {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
}

/// A stretch of heights with one committee.
package struct Epoch: Quantity {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
}

/// Milliseconds since 1970-01-01T00:00:00Z: a replica's own clock, or the time in a block.
package struct Moment: Quantity {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
}

/// Microseconds: how long an alarm waits.
package struct Span: Quantity {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
  package static func milliseconds(_ count: UInt64) -> Span { Span(count * 1_000) }
  package static func seconds(_ count: UInt64) -> Span { Span(count * 1_000_000) }
  package var milliseconds: UInt64 { number / 1_000 }
}

/// What work costs. 10¹² cycles are pegged to one XDR.
package struct Cycles: Quantity {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
}
