/// How long to wait before a peer is dialled again, in nanoseconds: doubled each time.
struct Backoff {
  private let first: Int64
  private let most: Int64
  private var next: Int64

  init(_ limits: LinkLimits) {
    first = limits.redialFirst.nanoseconds
    most = limits.redialMax.nanoseconds
    next = first
  }

  /// The wait before the next dialling.
  mutating func wait() -> Int64 {
    defer { next = min(most, next * 2) }
    return next
  }

  /// A link ended after so many nanoseconds: one that stood as long as the longest wait begins
  /// with the first again.
  mutating func ended(after age: Int64) { if age >= most { next = first } }
}
