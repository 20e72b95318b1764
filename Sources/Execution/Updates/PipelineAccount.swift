import Metering
import Wire

/// A pipeline's cycles and what it stores, in its own file.
struct PipelineAccount: Canonical, Hashable {
  var cycles = Account(balance: 0)
  /// Logical bytes: values, and 100 a row.
  private(set) var storedBytes: UInt64 = 0

  init() {}

  mutating func grow(_ bytes: Int64) {
    let sum = Int64(clamping: storedBytes).addingClamped(bytes)
    storedBytes = UInt64(max(0, sum))
  }

  func encode(into encoder: inout Encoder) {
    encoder.value(cycles)
    encoder.integer(storedBytes)
  }

  init(from decoder: inout Decoder) throws(Malformed) {
    cycles = try decoder.value()
    storedBytes = try decoder.integer()
  }
}
