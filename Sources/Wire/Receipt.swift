/// What became of a call, the same on every replica.
package struct Receipt: Hashable, Canonical {
  package let call: Digest
  package let height: Height
  /// The call's place in its block, from 0.
  package let position: UInt32
  package let time: Moment
  package let pipeline: String
  package let status: Status
  /// Set when the idempotency key named an earlier call: status and tally are that call's own.
  package let replayOf: Replay?
  package let tally: RowTally
  /// What expectations found, sorted by name.
  package let notes: [Note]
  package let usage: Usage
  /// Cycles taken from the account that pays.
  package let charged: Cycles

  package enum Status: Hashable, Sendable {
    case applied
    case refused(Refusal)
  }

  package struct Replay: Hashable, Sendable {
    package let call: Digest
    package let height: Height
    package init(call: Digest, height: Height) {
      self.call = call
      self.height = height
    }
  }

  package init(
    call: Digest, height: Height, position: UInt32, time: Moment, pipeline: String,
    status: Status, replayOf: Replay?, tally: RowTally, notes: [Note], usage: Usage,
    charged: Cycles
  ) {
    self.call = call
    self.height = height
    self.position = position
    self.time = time
    self.pipeline = pipeline
    self.status = status
    self.replayOf = replayOf
    self.tally = tally
    self.notes = notes
    self.usage = usage
    self.charged = charged
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(call)
    encoder.value(height)
    encoder.integer(position)
    encoder.value(time)
    encoder.text(pipeline)
    switch status {
    case .applied: encoder.variant(0)
    case .refused(let refusal):
      encoder.variant(1)
      encoder.value(refusal)
    }
    encoder.flag(replayOf != nil)
    if let replayOf {
      encoder.value(replayOf.call)
      encoder.value(replayOf.height)
    }
    encoder.value(tally)
    encoder.list(notes)
    encoder.value(usage)
    encoder.value(charged)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    call = try decoder.value()
    height = try decoder.value()
    position = try decoder.integer()
    time = try decoder.value()
    pipeline = try decoder.text(limit: Limits.nameBytesMax)
    status = try decoder.variant(count: 2) == 0 ? .applied : .refused(try decoder.value())
    replayOf =
      try decoder.flag() ? Replay(call: try decoder.value(), height: try decoder.value()) : nil
    tally = try decoder.value()
    notes = try decoder.list(limit: Limits.receiptNotesMax)
    usage = try decoder.value()
    charged = try decoder.value()
  }
}

/// Why a call was not applied. The code is stable, the message is for people; both are ours,
/// never SQLite's, so all replicas write the same.
package struct Refusal: Error, Hashable, Canonical, CustomStringConvertible {
  /// Upper-case words, stable for programs: `FROZEN`, `UNKNOWN_SOURCE`, `STEP_LIMIT`, `QD05`.
  package let code: String
  /// What happened, why, and what to do next.
  package let message: String

  package init(_ code: String, _ message: String) {
    self.code = code
    self.message =
      message.utf8.count <= Limits.textBytesMax
      ? message
      : String(decoding: Array(message.utf8.prefix(Limits.textBytesMax - 4)), as: UTF8.self)
  }

  package var description: String { "\(code): \(message)" }

  package func encode(into encoder: inout Encoder) {
    encoder.text(code)
    encoder.text(message)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    code = try decoder.text(limit: Limits.nameBytesMax)
    message = try decoder.text(limit: Limits.textBytesMax)
  }
}

/// Where the rows of a batch went.
package struct RowTally: Hashable, Canonical {
  package var accepted: UInt32 = 0
  package var quarantined: UInt32 = 0
  /// Dropped by an expectation with `on_violation: drop`.
  package var dropped: UInt32 = 0
  /// Already there, by `on_duplicate`.
  package var duplicates: UInt32 = 0
  /// Below the watermark; counted beside what was done with them.
  package var late: UInt32 = 0

  package init() {}

  package func encode(into encoder: inout Encoder) {
    encoder.integer(accepted)
    encoder.integer(quarantined)
    encoder.integer(dropped)
    encoder.integer(duplicates)
    encoder.integer(late)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    accepted = try decoder.integer()
    quarantined = try decoder.integer()
    dropped = try decoder.integer()
    duplicates = try decoder.integer()
    late = try decoder.integer()
  }
}

/// How often one expectation or rule was violated in a batch, with the first row it met.
package struct Note: Hashable, Canonical {
  package let name: String
  package let count: UInt32
  /// From 1, within the batch; 0 where it is about no row of it.
  package let firstRow: UInt32
  package let message: String

  package init(name: String, count: UInt32, firstRow: UInt32, message: String) {
    self.name = name
    self.count = count
    self.firstRow = firstRow
    self.message = message
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.integer(count)
    encoder.integer(firstRow)
    encoder.text(message)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    count = try decoder.integer()
    firstRow = try decoder.integer()
    message = try decoder.text(limit: Limits.textBytesMax)
  }
}

/// What a call used, in the units of the price table.
package struct Usage: Hashable, Canonical {
  package var ingressBytes: UInt64 = 0
  package var steps: UInt64 = 0
  package var functionBytes: UInt64 = 0
  package var rowsWritten: UInt64 = 0
  package var rowBytesWritten: UInt64 = 0
  package var indexEntriesWritten: UInt64 = 0
  package var hashes: UInt64 = 0
  package var receiptBytes: UInt64 = 0

  package init() {}

  package func encode(into encoder: inout Encoder) {
    for part in [
      ingressBytes, steps, functionBytes, rowsWritten, rowBytesWritten, indexEntriesWritten,
      hashes, receiptBytes,
    ] { encoder.integer(part) }
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    ingressBytes = try decoder.integer()
    steps = try decoder.integer()
    functionBytes = try decoder.integer()
    rowsWritten = try decoder.integer()
    rowBytesWritten = try decoder.integer()
    indexEntriesWritten = try decoder.integer()
    hashes = try decoder.integer()
    receiptBytes = try decoder.integer()
  }
}
