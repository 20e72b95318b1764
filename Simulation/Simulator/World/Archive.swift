/// What was sent last, for faults that send it again.
///
/// - Bound: `deliveriesMax` deliveries, of thirteen replicas ten blocks, and `bytesMax` bytes.
struct Archive {
  static let deliveriesMax = 8_192
  static let bytesMax = 16_000_000

  private var kept: [Delivery] = []
  /// Earlier ones are forgotten, though still here.
  private var first = 0
  private var bytes = 0

  /// In the order of sending.
  var deliveries: ArraySlice<Delivery> { kept[first...] }

  mutating func keep(_ delivery: Delivery) {
    kept.append(delivery)
    bytes += delivery.parcel.bytes.count
    while kept.count - first > Self.deliveriesMax || bytes > Self.bytesMax {
      bytes -= kept[first].parcel.bytes.count
      first += 1
    }
    guard first > kept.count / 2 else { return }
    kept.removeFirst(first)
    first = 0
  }
}
