import Certification
import Pipelines
import Signing
import Storage
import Wire

/// Takes one batch into a source: event time, expectations, key, then bronze or quarantine.
///
/// - Safety: a pure function of the batch, the tables and the block; rows are taken in the order
///   of the batch.
struct Ingest {
  let plan: SourcePlan
  let data: DataStore
  let block: BlockContext
  let call: OrderedCall
  let functions: FunctionContext
  /// The largest event time accepted so far, in milliseconds, as it stood when the batch began.
  let watermarkHighest: Int64?
  private(set) var tally = RowTally()
  private(set) var notes = NoteTaker()
  /// The largest event time of this batch's accepted rows.
  private(set) var eventHighest: Int64?
  /// Rows that a release was to look at and did not: there were more than one update takes.
  /// A recheck says that there are some, and does not count them.
  private(set) var unseen: UInt32 = 0
  /// Held rows that were looked at.
  private var looked = 0
  private let batchName: [UInt8]

  init(
    _ plan: SourcePlan, data: DataStore, block: BlockContext, call: OrderedCall,
    functions: FunctionContext, watermarkHighest: Int64?
  ) {
    self.plan = plan
    self.data = data
    self.block = block
    self.call = call
    self.functions = functions
    self.watermarkHighest = watermarkHighest
    batchName = Array(call.call.idempotencyKey.utf8)
  }

  private enum Verdict {
    case take(late: Bool)
    case drop
    case quarantine(String)
  }

  /// Why rows are looked at.
  enum Occasion {
    case arrival
    /// The owner decided to let held rows in, so none of them is too late.
    case release
    /// Another source changed. What lies below the watermark stays held back: nobody decided.
    case recheck
  }

  mutating func run(
    _ batch: DecodedBatch, engine: Engine, _ steps: inout StepBudget
  ) throws(Stop) {
    functions.rowsInBatch = Int64(batch.rowCount + batch.rejected.count)
    functions.rowsQuarantined = 0
    for rejected in batch.rejected { try quarantine(rejected) }
    let inserter = try Inserter(plan, batchName, block.height)
    for row in 0..<batch.rowCount {
      let number = batch.rowNumbers[row]
      guard plan.operation == nil else {
        try change(batch, row, number, engine, &steps, inserter)
        continue
      }
      switch try judge(batch, row, number, nil, .arrival, engine, &steps) {
      case .drop: tally.dropped += 1
      case .quarantine(let why): try quarantine(batch, row, number, why)
      case .take(let late):
        if late { tally.late += 1 }
        try take(batch, row, number, late, inserter)
      }
    }
    try plan.expectations?.judgeBatch(engine, &steps, &notes)
  }

  // MARK: Verdicts

  /// - Parameter change: what the row asks for, where its source takes changes. Of one that deletes
  ///   no expectation says anything: its key and its times are all that it holds.
  private mutating func judge(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, _ change: ChangeOperation.Change?,
    _ occasion: Occasion, _ engine: Engine, _ steps: inout StepBudget
  ) throws(Stop) -> Verdict {
    if let why = tooFarAhead(batch, row, number) { return .quarantine(why) }
    var isLate = false
    if let event = plan.source.eventTime, let highest = watermarkHighest,
      let moment = plan.eventTime?.moment(batch, row),
      moment < highest.addingClamped(-Int64(clamping: event.lateness)),
      try !isThere(batch.row(row).map(\.value), change)
    {
      isLate = true
      if let held = try late(event, number, occasion) { return held }
    }
    guard let expectations = plan.expectations, change != .delete else {
      return .take(late: isLate)
    }
    switch try expectations.judge(
      batch, row, number, arrives: occasion == .arrival, engine, &steps, &notes)
    {
    case .pass: return .take(late: isLate)
    case .drop: return .drop
    case .quarantine(let why): return .quarantine(why)
    }
  }

  /// Why a row waits whose event time or version lies too far ahead of block time: by the one, all
  /// that come after it would be late, by the other, none of its key would be newer.
  private mutating func tooFarAhead(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32
  ) -> String? {
    let now = Int64(clamping: block.time.number)
    if let event = plan.source.eventTime, let futureMax = event.futureMax,
      let moment = plan.eventTime?.moment(batch, row),
      moment > now.addingClamped(Int64(clamping: futureMax))
    {
      notes.add("max_future", row: number, message: "the event time lies too far ahead (QD44)")
      return "\(event.column): further ahead of block time than max_future allows (QD44)"
    }
    let versionMax = ExecutionLimits.versionFutureMax
    if let version = plan.source.version, let moment = plan.versionTime?.moment(batch, row),
      moment > now.addingClamped(Int64(clamping: versionMax))
    {
      let days = versionMax / 86_400_000
      notes.add(
        "version", row: number, message: "the version lies over \(days) days ahead (QD44)")
      return "\(version): a version over \(days) days ahead of block time (QD44)"
    }
    return nil
  }

  /// What the source does with a late row; nil where it is taken.
  private mutating func late(
    _ event: EventTime, _ number: UInt32, _ occasion: Occasion
  ) throws(Stop) -> Verdict? {
    guard event.late != .accept, occasion != .release else { return nil }
    guard event.late == .quarantine || occasion == .recheck else {
      throw .refused(
        Refusal(
          "LATE",
          "row \(number) lies below the watermark of \(plan.source.name), which refuses late "
            + "rows: leave it out. No row of the batch was taken"))
    }
    tally.late += 1
    notes.add("late", row: number, message: "the event time lies below the watermark")
    return .quarantine("\(event.column): below the watermark")
  }

  // MARK: Taking

  private mutating func take(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, _ late: Bool, _ inserter: Inserter
  ) throws(Stop) {
    let nonce = plan.bronze.hasNonce ? nonce(plan.bronze, number) : nil
    if try inserter.insert(batch, row, number, late, nonce, data) {
      accepted(batch, row)
    } else if try meets(batch, row, number, late) {
      noteKey(number)
      try quarantine(batch, row, number, "the primary key is there with other values")
    }
  }

  private mutating func accepted(_ batch: DecodedBatch, _ row: Int) {
    tally.accepted += 1
    if let moment = plan.eventTime?.moment(batch, row) {
      eventHighest = max(eventHighest ?? moment, moment)
    }
  }

  /// Whether a row would change nothing, so that it is a duplicate and never late: what is there
  /// is equal, or wins by the source's rule.
  private func isThere(
    _ values: [Value], _ change: ChangeOperation.Change?
  ) throws(Stop) -> Bool {
    let known = try machine { () throws(StorageFault) in
      try plan.bronze.row(key: plan.key.map { values[$0] })
    }
    if change == .delete { return try isGone(values, known) }
    if plan.operation != nil, let version = plan.versionColumn, let gone = try tombstone(values),
      !values[version].isAbove(gone)
    {
      return true
    }
    guard let known else { return false }
    if known.values.prefix(plan.columnCount).elementsEqual(values) { return true }
    if let version = plan.versionColumn {
      return !plan.source.appendOnly && !wins(values, over: known, version)
    }
    return plan.source.onDuplicate == .ignore && !plan.source.appendOnly && change != .update
  }

  /// Whether a row takes the place of one that is there: by its version, or where that is the same,
  /// by the canonical bytes of its values. So in whatever order rows come, the same one stays. The
  /// word of `op:` says how a row came to be, not what it is: by it alone none is another.
  private func wins(_ values: [Value], over known: StoredRow, _ version: Int) -> Bool {
    let own = known.values
    guard values[version] == own[version] else { return values[version].isAbove(own[version]) }
    func bytes(_ values: [Value]) -> [UInt8] {
      var encoder = Encoder()
      for place in 0..<plan.columnCount where place != plan.operationColumn {
        encoder.value(values[place])
      }
      return encoder.bytes
    }
    return bytes(own).lexicographicallyPrecedes(bytes(values))
  }

  /// Does what the source says of a row whose key is there already.
  /// - Returns: whether they contradict each other, so that the row may not be taken.
  private mutating func meets(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, _ late: Bool
  ) throws(Stop) -> Bool {
    let values = batch.row(row).map(\.value)
    let known = try known(values)
    let isEqual = known.values.prefix(plan.columnCount).elementsEqual(values)
    switch plan.source.onDuplicate {
    case .ignore where !plan.source.appendOnly: tally.duplicates += 1
    case .upsertIfNewer where !plan.source.appendOnly:
      guard let version = plan.versionColumn, wins(values, over: known, version) else {
        tally.duplicates += 1
        return false
      }
      try replace(known, by: values, number, late)
      accepted(batch, row)
    default:
      guard isEqual else { return true }
      tally.duplicates += 1
    }
    return false
  }

  private func nonce(_ table: StoredTable, _ row: UInt32) -> Digest {
    Self.nonce(functions.seed, table: table.schema.id, row: row)
  }

  /// Chance that came with the row: known to all replicas, not to be guessed by who knows the ids
  /// of calls and the places of rows.
  static func nonce(_ seed: Digest, table: UInt32, row: UInt32) -> Digest {
    var encoder = Encoder(capacity: 64)
    encoder.byte(0x07)
    encoder.value(seed)
    encoder.integer(table)
    encoder.integer(row)
    return sha256(encoder.bytes)
  }

  // MARK: Changes

  /// Does what a row of a source with `op:` says.
  private mutating func change(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, _ engine: Engine,
    _ steps: inout StepBudget, _ inserter: Inserter
  ) throws(Stop) {
    guard let change = plan.change(batch, row) else {
      notes.add("op", row: number, message: "the operation is none that the contract knows")
      return try quarantine(batch, row, number, "op: none that the contract knows")
    }
    switch try judge(batch, row, number, change, .arrival, engine, &steps) {
    case .drop: tally.dropped += 1
    case .quarantine(let why): try quarantine(batch, row, number, why)
    case .take(let late):
      if late { tally.late += 1 }
      guard change != .delete else { return try delete(batch, row) }
      try put(batch, row, number, late, inserter, isUpdate: change == .update)
    }
  }

  /// Takes a new or changed row. Where there is a version, the newest wins whatever came last; a
  /// row that was deleted with a newer one, or the same, stays so.
  private mutating func put(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, _ late: Bool, _ inserter: Inserter,
    isUpdate: Bool
  ) throws(Stop) {
    let values = batch.row(row).map(\.value)
    let gone = try tombstone(values)
    if let version = plan.versionColumn, let gone, !values[version].isAbove(gone) {
      tally.duplicates += 1
      return
    }
    let nonce = plan.bronze.hasNonce ? nonce(plan.bronze, number) : nil
    if try inserter.insert(batch, row, number, late, nonce, data) {
      // From now on the row's own version tells what is older.
      if gone != nil { try data.removeTombstone(tombstoneKey(values)) }
      return accepted(batch, row)
    }
    guard isUpdate || plan.versionColumn != nil else {
      return try take(batch, row, number, late, inserter)
    }
    let known = try known(values)
    let isNewer =
      plan.versionColumn.map { wins(values, over: known, $0) }
      ?? !known.values.prefix(plan.columnCount).elementsEqual(values)
    guard isNewer else {
      tally.duplicates += 1
      return
    }
    try replace(known, by: values, number, late)
    accepted(batch, row)
  }

  private mutating func delete(_ batch: DecodedBatch, _ row: Int) throws(Stop) {
    let values = batch.row(row).map(\.value)
    let stored = try machine { () throws(StorageFault) in
      try plan.bronze.row(key: plan.key.map { values[$0] })
    }
    guard try !isGone(values, stored) else {
      tally.duplicates += 1
      return
    }
    if let version = plan.versionColumn {
      try data.putTombstone(tombstoneKey(values), values[version])
    }
    guard let stored else {
      tally.duplicates += 1
      return
    }
    try data.delete(stored, from: plan.bronze)
    accepted(batch, row)
  }

  /// Whether a delete would change nothing: there is no such row, or what is known of it is newer.
  private func isGone(_ values: [Value], _ stored: StoredRow?) throws(Stop) -> Bool {
    guard let version = plan.versionColumn else { return stored == nil }
    if let stored { return stored.values[version].isAbove(values[version]) }
    guard let gone = try tombstone(values) else { return false }
    return !values[version].isAbove(gone)
  }

  /// What a deleted row is known by: its key, or the hash of one that would be too long so. No
  /// value begins with the byte before the hash.
  private func tombstoneKey(_ values: [Value]) -> [UInt8] {
    var encoder = Encoder()
    for place in plan.key { encoder.value(values[place]) }
    let prefix = Self.tombstonePrefix(plan.source.name)
    let key = prefix + encoder.bytes
    let place = Ledger.trieKey(Ledger.Part.tombstone.rawValue, key)
    guard place.count > AnswerLimits.keyBytesMax else { return key }
    return prefix + [0xff] + sha256(encoder.bytes).bytes
  }

  static func tombstonePrefix(_ source: String) -> [UInt8] {
    var encoder = Encoder()
    encoder.text(source)
    return encoder.bytes
  }

  /// The version with which a row was deleted; nil where nothing is known of one.
  private func tombstone(_ values: [Value]) throws(Stop) -> Value? {
    guard plan.versionColumn != nil else { return nil }
    return try data.tombstone(tombstoneKey(values))
  }

  private func known(_ values: [Value]) throws(Stop) -> StoredRow {
    let known = try machine { () throws(StorageFault) in
      try plan.bronze.row(key: plan.key.map { values[$0] })
    }
    guard let known else {
      throw .failed(ExecutionFault(.damaged, "a row of \(plan.bronze.name) is there and is not"))
    }
    return known
  }

  private func replace(
    _ known: StoredRow, by values: [Value], _ number: UInt32, _ late: Bool
  ) throws(Stop) {
    let system: [Value] = [
      .text(call.call.idempotencyKey), .int(Int64(number)),
      .int(Int64(clamping: block.height.number)), .int(late ? 1 : 0),
    ]
    try data.update(
      known, to: StoredRow(values: values + system, nonce: known.nonce), in: plan.bronze)
  }

  // MARK: Release

  /// Looks again at rows that were held back. Those that pass now are taken, marked by this call's
  /// key; the others stay as they are and are counted as quarantined.
  ///
  /// - Parameter share: where a recheck ends by itself: once so many steps of the update are spent.
  ///   It also ends once half of the rows are written that the update may write.
  mutating func release(
    _ selection: ReleaseSelection, _ occasion: Occasion, share: UInt64 = .max, engine: Engine,
    _ steps: inout StepBudget
  ) throws(Stop) {
    guard plan.operation == nil else {
      throw .refused(
        Refusal(
          "RELEASE_REFUSED",
          "\(plan.source.name) takes changes, and one that was held back may be old by now: send "
            + "the row again as it is today"))
    }
    let held = try held(selection, occasion, share, engine, &steps)
    functions.rowsInBatch = Int64(held.count)
    functions.rowsQuarantined = 0
    let whole = held.indices.filter { !isCut(held[$0]) }
    tally.quarantined += UInt32(held.count - whole.count)
    let batch = plan.decoder.decode(kept: whole.map { kept(held[$0]) })
    tally.quarantined += UInt32(batch.rejected.count)
    for rejected in batch.rejected { note(rejected) }
    for row in 0..<batch.rowCount {
      let place = whole[Int(batch.rowNumbers[row]) - 1]
      var isWeighed: Void?
      if occasion == .release || data.rowsWritten < data.rowsLimit / 2 {
        isWeighed = try steps.within(share) { steps throws(Stop) in
          try weigh(batch, row, held[place], occasion, engine, &steps)
        }
      }
      guard isWeighed != nil else {
        (unseen, looked) = (1, place)
        return
      }
    }
  }

  /// What quarantine kept of a row.
  private func kept(_ row: StoredRow) -> KeptRow {
    let count = plan.source.columns.count
    let texts = row.values.prefix(count + 1).map { value -> String? in
      if case .text(let text) = value { text } else { nil }
    }
    return KeptRow(fields: Array(texts.prefix(count)), captured: texts[count])
  }

  /// Takes one held row if it passes. What its own values come to, as a number that overflows, is
  /// the reason for which it stays: no other row waits for that.
  private mutating func weigh(
    _ batch: DecodedBatch, _ row: Int, _ old: StoredRow, _ occasion: Occasion, _ engine: Engine,
    _ steps: inout StepBudget
  ) throws(Stop) {
    let before = (tally, eventHighest)
    let mark = data.mark
    do {
      let number = batch.rowNumbers[row]
      guard case .take(let late) = try judge(batch, row, number, nil, occasion, engine, &steps)
      else {
        tally.quarantined += 1
        return
      }
      try engine.inSavepoint("held_row") { () throws(Stop) in
        try letIn(batch, row, old, late)
      }
    } catch {
      guard let refusal = error.ofOneRow else { throw error }
      data.undo(to: mark)
      (tally, eventHighest) = before
      tally.quarantined += 1
      let place = plan.source.columns.count + 1
      var kept = old
      kept.values[place] = .text(refusal.description.cut(to: Limits.textBytesMax))
      if kept.values[place] != old.values[place] {
        try data.update(old, to: kept, in: plan.quarantine)
      }
    }
  }

  private mutating func letIn(
    _ batch: DecodedBatch, _ row: Int, _ old: StoredRow, _ late: Bool
  ) throws(Stop) {
    let number = batch.rowNumbers[row]
    let inserter = try Inserter(plan, batchName, block.height)
    if try inserter.insert(batch, row, number, late, old.nonce, data) {
      accepted(batch, row)
    } else if try meets(batch, row, number, late) {
      noteKey(number)
      tally.quarantined += 1
      return
    }
    if late { tally.late += 1 }
    var released = old
    released.values[plan.source.columns.count + 6] = .text(call.call.idempotencyKey)
    try data.update(old, to: released, in: plan.quarantine)
  }

  /// Rows that nobody released yet, the oldest first.
  ///
  /// - Bound: `ExecutionLimits.rowsReleasedMax` rows of `heldBytesMax` bytes together, which are
  ///   metered as they are read.
  private mutating func held(
    _ selection: ReleaseSelection, _ occasion: Occasion, _ share: UInt64, _ engine: Engine,
    _ steps: inout StepBudget
  ) throws(Stop) -> [StoredRow] {
    var held = "FROM \(quoted(plan.quarantine.name)) WHERE _released_by IS NULL"
    var values: [Value] = []
    if let batch = selection.batch {
      held += " AND _batch = ?"
      values.append(.text(batch))
    }
    if let height = selection.height {
      held += " AND _height = ?"
      values.append(.int(Int64(clamping: height)))
    }
    if let row = selection.row {
      held += " AND _row = ?"
      values.append(.int(Int64(row)))
    }
    let what = "the quarantine of \(plan.source.name)"
    func statement(_ sql: String) throws(Stop) -> PreparedStatement {
      try machine { () throws(StorageFault) in
        let statement = try engine.connection.cached(sql)
        for (index, value) in values.enumerated() { try statement.bind(index + 1, value: value) }
        return statement
      }
    }
    let most = ExecutionLimits.rowsReleasedMax
    var rows: [StoredRow] = []
    let oldest = try statement(
      "SELECT * \(held) ORDER BY _height, _position, _row LIMIT \(most + 1)")
    var (bytes, isAll) = (0, true)
    // Half of a share is left to judge them.
    let half = steps.spent + (share - min(share, steps.spent)) / 2
    let isRead: Void? = try steps.within(half) { steps throws(Stop) in
      try engine.read(oldest, &steps, what) { row throws(Stop) in
        let row = plan.quarantine.row(of: row)
        for text in row.values.prefix(plan.source.columns.count + 1) {
          functions.meter(heldBytes: text.size)
        }
        bytes += row.size
        isAll = rows.count < most && bytes <= ExecutionLimits.heldBytesMax
        if isAll { rows.append(row) }
        return isAll
      }
    }
    looked = rows.count
    guard !isAll || isRead == nil else { return rows }
    unseen = 1
    // Nobody asked for a recheck, so who sends rows elsewhere does not pay for the count.
    guard occasion == .release else { return rows }
    var all: Int64 = 0
    try engine.run(try statement("SELECT count(*) \(held)"), &steps, what) { row in
      all = row.integer(0)
    }
    unseen = UInt32(clamping: all - Int64(rows.count))
    return rows
  }

  /// Says how many rows a release did not look at, and what to do.
  func tellUnseen(_ occasion: Occasion, in notes: inout NoteTaker) {
    guard unseen > 0 else { return }
    notes.add(
      "unseen \(plan.source.name)", count: unseen, row: 0,
      message: "\(occasion == .recheck ? "or more, " : "")held beyond the "
        + "\(looked) oldest, which alone were looked at: once "
        + "those passed, release again; else choose by --batch or --height"
    )
  }

  // MARK: Quarantine

  private mutating func note(_ rejected: RejectedRow) {
    for reason in rejected.reasons {
      let name = reason.column.isEmpty ? reason.rule : "\(reason.column) \(reason.rule)"
      notes.add(name, row: rejected.row, message: reason.message)
    }
  }

  private mutating func noteKey(_ number: UInt32) {
    notes.add("primary_key", row: number, message: "the key is there with other values")
  }

  private mutating func quarantine(_ rejected: RejectedRow) throws(Stop) {
    note(rejected)
    try quarantine(rejected.kept, rejected.row, rejected.errors)
  }

  private mutating func quarantine(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, _ why: String
  ) throws(Stop) {
    var texts = plan.source.storedColumns.indices.map { index in
      plan.source.storedColumns[index].type.text(of: batch.value(row: row, column: index))
    }
    let captured = plan.source.unknownFields == .capture ? texts.removeLast() : nil
    try quarantine(KeptRow(fields: texts, captured: captured), number, why)
  }

  private mutating func quarantine(
    _ kept: KeptRow, _ row: UInt32, _ errors: String
  ) throws(Stop) {
    let (kept, errors) = cut(kept, errors)
    let texts: [Value] = (kept.fields + [kept.captured]).map { $0.map { .text($0) } ?? .null }
    let system: [Value] = [
      .text(errors.cut(to: Limits.textBytesMax)), .text(call.call.idempotencyKey),
      .int(Int64(row)), .int(Int64(clamping: block.height.number)), .int(Int64(call.position)),
      .null,
    ]
    let nonce = plan.quarantine.hasNonce ? nonce(plan.quarantine, row) : nil
    _ = try data.insert(StoredRow(values: texts + system, nonce: nonce), into: plan.quarantine)
    tally.quarantined += 1
    functions.rowsQuarantined += 1
  }

  /// What `_errors` of a row begins with that was not kept whole. No reason begins so.
  private static let cutMark = "[cut] "

  private func isCut(_ row: StoredRow) -> Bool {
    guard case .text(let errors) = row.values[plan.source.columns.count + 1] else { return false }
    return errors.hasPrefix(Self.cutMark)
  }

  /// Cuts what is longer than any value that the contract takes, and says so: nothing can be made
  /// of the row but by sending it anew. Captured fields that are too long are not kept, for a part
  /// of them is no JSON.
  private func cut(_ kept: KeptRow, _ errors: String) -> (KeptRow, String) {
    let most = plan.decoder.keptBytesMax
    var (short, told) = (kept, [String]())
    for (place, column) in plan.source.columns.enumerated() {
      guard let text = kept.fields[place], text.utf8.count > most else { continue }
      short.fields[place] = text.cut(to: most)
      told.append("\(column.name) had \(text.utf8.count) bytes")
    }
    if let text = kept.captured, text.utf8.count > most {
      short.captured = nil
      told.append("\(Source.captureColumn) had \(text.utf8.count) bytes")
    }
    guard !told.isEmpty else { return (kept, errors) }
    return (short, Self.cutMark + told.joined(separator: ", ") + "; " + errors)
  }
}

/// Puts decoded rows into the bronze table, from the batch's bytes without copies.
private struct Inserter {
  let plan: SourcePlan
  let statement: PreparedStatement
  let batchName: [UInt8]
  let height: Int64
  /// Hashes of the system cells that are the same in all rows of a batch.
  private let batchCell: Digest
  private let heightCell: Digest
  private let lateCells: [Digest]

  init(_ plan: SourcePlan, _ batchName: [UInt8], _ height: Height) throws(Stop) {
    self.plan = plan
    self.batchName = batchName
    self.height = Int64(clamping: height.number)
    batchCell = RowHash.cell(.text(String(decoding: batchName, as: UTF8.self)))
    heightCell = RowHash.cell(.int(self.height))
    lateCells = [RowHash.cell(.int(0)), RowHash.cell(.int(1))]
    do { statement = try plan.bronze.insert() } catch { throw Stop(machine: error) }
  }

  /// - Returns: false when the key is there already.
  func insert(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, _ late: Bool, _ nonce: Digest?,
    _ data: DataStore
  ) throws(Stop) -> Bool {
    try refuseMismatch(batch, row)
    let isNew = try batch.arena.withUnsafeBufferPointer { arena throws(Stop) in
      do throws(StorageFault) {
        try bind(batch, row, arena)
        let place = plan.columnCount
        try statement.bind(place + 1, utf8: batchName)
        try statement.bind(place + 2, Int64(number))
        try statement.bind(place + 3, height)
        try statement.bind(place + 4, late ? 1 : 0)
        if let nonce { try statement.bind(place + 5, blob: nonce.bytes) }
        // The values lie in the batch, so they are let go before it is.
        defer { statement.reset() }
        _ = try statement.step()
        return plan.bronze.connectionRowsChanged == 1
      } catch { throw Stop(sql: error, in: "a row of \(plan.bronze.name)") }
    }
    guard isNew else { return false }
    let hash = hash(batch, row, number, late, nonce)
    let hasher = plan.bronze.hasher
    try data.inserted(key: hasher.key, hash: hash, size: hasher.size, into: plan.bronze) {
      StoredRow(
        values: batch.row(row).map(\.value) + [
          .text(String(decoding: batchName, as: UTF8.self)), .int(Int64(number)), .int(height),
          .int(late ? 1 : 0),
        ], nonce: nonce)
    }
    return true
  }

  /// As the table does where it is given values: no cell is made to fit.
  private func refuseMismatch(_ batch: DecodedBatch, _ row: Int) throws(Stop) {
    for column in 0..<plan.columnCount {
      switch (batch.cell(row: row, column: column), plan.storages[column]) {
      case (.null, _), (.integer, .integer), (.text, .text), (.blob, .blob): continue
      default:
        throw plan.bronze.mismatch(
          plan.source.storedColumns[column].name,
          batch.value(row: row, column: column).value.kind)
      }
    }
  }

  private func bind(
    _ batch: DecodedBatch, _ row: Int, _ arena: UnsafeBufferPointer<UInt8>
  ) throws(StorageFault) {
    for column in 0..<plan.columnCount {
      switch batch.cell(row: row, column: column) {
      case .null: try statement.bindNull(column + 1)
      case .integer(let value): try statement.bind(column + 1, value)
      case .text(let start, let count):
        let range = Int(start)..<Int(start) + Int(count)
        try statement.bind(column + 1, borrowed: UnsafeBufferPointer(rebasing: arena[range]))
      case .blob(let start, let count):
        let range = Int(start)..<Int(start) + Int(count)
        try statement.bind(
          column + 1,
          borrowedBlob: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: arena[range])))
      }
    }
  }

  private func hash(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, _ late: Bool, _ nonce: Digest?
  ) -> Digest {
    let table = plan.bronze
    table.hasher.begin(nonce: nonce)
    batch.arena.withUnsafeBytes { arena in
      for column in 0..<plan.columnCount {
        switch batch.cell(row: row, column: column) {
        case .null: table.hasher.null()
        case .integer(let value): table.hasher.integer(value)
        case .text(let start, let count):
          let range = Int(start)..<Int(start) + Int(count)
          table.hasher.text(UnsafeRawBufferPointer(rebasing: arena[range]))
        case .blob(let start, let count):
          let range = Int(start)..<Int(start) + Int(count)
          table.hasher.blob(UnsafeRawBufferPointer(rebasing: arena[range]))
        }
      }
    }
    table.hasher.known(batchCell, size: batchName.count)
    table.hasher.integer(Int64(number))
    table.hasher.known(heightCell, size: 8)
    table.hasher.known(lateCells[late ? 1 : 0], size: 8)
    return table.hasher.finish()
  }
}

extension Value {
  /// Whether a version is newer than another.
  func isAbove(_ other: Value) -> Bool {
    switch (self, other) {
    case (.null, _): false
    case (_, .null): true
    case (.int(let a), .int(let b)): a > b
    case (.text(let a), .text(let b)): b.utf8.lexicographicallyPrecedes(a.utf8)
    case (.bytes(let a), .bytes(let b)): b.lexicographicallyPrecedes(a)
    default: false
    }
  }
}

extension Int64 {
  /// The sum, or the end of the range that it runs over.
  func addingClamped(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (other < 0 ? .min : .max) : sum
  }
}
