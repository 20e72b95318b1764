import Wire

/// Which rows of a quarantine are looked at again: those that fit all that is said. The body of a
/// release call.
package struct ReleaseSelection: Hashable, Canonical {
  /// The idempotency key of the batch that brought them.
  package var batch: String?
  /// The height at which they came.
  package var height: UInt64?
  /// The place in the batch, from 1.
  package var row: UInt32?

  package init(batch: String? = nil, height: UInt64? = nil, row: UInt32? = nil) {
    self.batch = batch
    self.height = height
    self.row = row
  }

  package func encode(into encoder: inout Encoder) {
    encoder.optionalText(batch)
    encoder.flag(height != nil)
    if let height { encoder.integer(height) }
    encoder.flag(row != nil)
    if let row { encoder.integer(row) }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    batch = try decoder.optionalText(limit: Limits.idempotencyKeyBytesMax)
    height = try decoder.flag() ? try decoder.integer() : nil
    row = try decoder.flag() ? try decoder.integer() : nil
  }
}
