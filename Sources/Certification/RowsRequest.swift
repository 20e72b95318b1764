import Wire

/// Asks for rows of a certified table by key, range or prefix, with a proof.
package struct RowsRequest: ReadRequest {
  package static let domain = "quorate/rows/1"

  package let subnet: SubnetID
  package let pipeline: String
  package let table: String
  package let selection: Selection
  /// At most so many rows, and fewer if they are long; with more, the answer is the first of them
  /// and says so.
  package let limit: UInt32
  /// nil lets the replica choose its highest certified height.
  package let height: Height?
  package let caller: PublicKey?
  package let expiry: Moment

  /// Values stand for the leading columns of the primary key.
  package enum Selection: Hashable, Sendable {
    /// One value for each column of the key: this row, or proof that there is none.
    case key([Value])
    /// `from` is included, `to` is not; nil is open.
    case range(from: [Value]?, to: [Value]?)
    /// Every row whose key begins with these values; an empty list is the whole table.
    case prefix([Value])
  }

  package init(
    subnet: SubnetID, pipeline: String, table: String, selection: Selection,
    limit: UInt32 = 1_000, height: Height? = nil, caller: PublicKey? = nil, expiry: Moment = 0
  ) {
    self.subnet = subnet
    self.pipeline = pipeline
    self.table = table
    self.selection = selection
    self.limit = limit
    self.height = height
    self.caller = caller
    self.expiry = expiry
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.text(pipeline)
    encoder.text(table)
    switch selection {
    case .key(let key):
      encoder.variant(0)
      encoder.list(key)
    case .range(let from, let to):
      encoder.variant(1)
      encoder.flag(from != nil)
      if let from { encoder.list(from) }
      encoder.flag(to != nil)
      if let to { encoder.list(to) }
    case .prefix(let prefix):
      encoder.variant(2)
      encoder.list(prefix)
    }
    encoder.integer(limit)
    encoder.optional(height)
    encoder.optional(caller)
    encoder.value(expiry)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    let columns = AnswerLimits.keyColumnsMax
    subnet = try decoder.value()
    pipeline = try decoder.text(limit: Limits.nameBytesMax)
    table = try decoder.text(limit: Limits.nameBytesMax)
    switch try decoder.variant(count: 3) {
    case 0: selection = .key(try decoder.list(limit: columns))
    case 1:
      let from: [Value]? = try decoder.flag() ? try decoder.list(limit: columns) : nil
      let to: [Value]? = try decoder.flag() ? try decoder.list(limit: columns) : nil
      selection = .range(from: from, to: to)
    default: selection = .prefix(try decoder.list(limit: columns))
    }
    limit = try decoder.integer()
    height = try decoder.optional()
    caller = try decoder.optional()
    expiry = try decoder.value()
  }
}
