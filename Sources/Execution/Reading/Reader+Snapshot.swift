import Certification
import Storage
import Wire

/// A pipeline that a snapshot began to copy, kept from the height it began at.
struct HeldPipeline: Sendable {
  let view: PipelineView
  let roots: FileRoots
  /// Block time when it was asked for last; nil once its last rows were given.
  var asked: Moment?

  /// Whether its place may go to another owner.
  func isFree(at now: Moment) -> Bool {
    asked.map { $0.advanced(by: ExecutionLimits.snapshotIdleMax.milliseconds) < now } ?? true
  }
}

extension Reader {
  /// A part of a pipeline's snapshot, the first with the seal of all. A snapshot goes on as long as
  /// the pipeline stays as it was, or until all readers let go.
  ///
  /// - Throws: `UNKNOWN_PIPELINE`, `NOT_OWNER`, `NOT_READY`, `HEIGHT_GONE`, `SNAPSHOTS_FULL`,
  ///   `READ_FAILED`.
  package func snapshot(_ request: SnapshotRequest) throws(Refusal) -> SnapshotPart {
    guard let place = request.place else { return try begin(request) }
    guard let held = try held(place.roots, of: request.pipeline) else {
      throw Refusal(
        "HEIGHT_GONE",
        "\(request.pipeline) has changed since its snapshot began, and what it was is let go: "
          + "begin again, best while few updates come in, and one pipeline of an owner at a time")
    }
    try admit(request, to: held.view)
    let part = try part(of: held, seal: nil, after: place)
    // After a barrier it has no place any more, and would end when the pipeline changes.
    if part.next == nil { letGo(held) } else { try? hold(held) }
    return part
  }

  private func begin(_ request: SnapshotRequest) throws(Refusal) -> SnapshotPart {
    let view = try view(at: nil, proven: true)
    let pipeline = try pipeline(request.pipeline, in: view)
    try admit(request, to: pipeline)
    guard let certificate = certificate(at: view.height), let roots = view.roots(of: pipeline.name)
    else {
      throw Refusal("HEIGHT_GONE", "height \(view.height) has no certificate here any more")
    }
    let trie = ComponentTrie(view.components)
    let proofs = roots.components(of: pipeline.name).map { trie.proof(of: $0.name) }
    let seal = SnapshotSeal(
      pipeline: pipeline.name, roots: roots, dataProof: proofs[0], ledgerProof: proofs[1],
      certificate: certificate)
    let held = HeldPipeline(view: pipeline, roots: roots)
    let part = try part(of: held, seal: seal, after: nil)
    if part.next != nil { try hold(held) }
    return part
  }

  /// What is personal stands in it, and all bookkeeping: no role shows so much.
  private func admit(
    _ request: SnapshotRequest, to pipeline: PipelineView
  ) throws(Refusal) {
    guard let caller = request.caller, caller == pipeline.owner else {
      throw Refusal(
        "NOT_OWNER", "a snapshot is for the owner of \(pipeline.name): sign with its key")
    }
  }

  private func part(
    of held: HeldPipeline, seal: SnapshotSeal?, after place: SnapshotPlace?
  ) throws(Refusal) -> SnapshotPart {
    try answering { () throws(Stop) in
      try held.view.pin.with { engine throws(Stop) in
        try machine { () throws(StorageFault) in
          var scan = SnapshotScan(held.view.schemas, roots: held.roots)
          let next = try scan.read(after: place, on: engine.connection)
          return SnapshotPart(seal: seal, tables: scan.tables, next: next)
        }
      }
    }
  }
}

extension HeightView {
  /// The roots of a pipeline's file as it stands here.
  func roots(of pipeline: String) -> FileRoots? {
    let names = FileRoots(data: .zero, ledger: .zero).components(of: pipeline).map(\.name)
    let found = names.compactMap { name in components.first { $0.name == name }?.root }
    return found.count == 2 ? FileRoots(data: found[0], ledger: found[1]) : nil
  }
}

/// Reads what is stored table by table, the bookkeeping first: it says what tables there are.
///
/// - Bound: `AnswerLimits.snapshotPartBytes` and one row; `AnswerLimits.rowsMax` rows.
private struct SnapshotScan {
  private let all: [(name: String, key: [(place: Int, name: String)])]
  private let roots: FileRoots
  private(set) var tables: [SnapshotPart.Table] = []
  private var rows = 0
  private var bytes = 0

  init(_ schemas: [TableSchema], roots: FileRoots) {
    self.roots = roots
    all =
      [(Ledger.rowsTable, [(0, "part"), (1, "key")])]
      + schemas.map { schema in
        (schema.name, schema.key.map { ($0, schema.columns[$0].name) })
      }
  }

  /// - Returns: where to go on; nil at the end.
  mutating func read(
    after place: SnapshotPlace?, on connection: Connection
  ) throws(StorageFault) -> SnapshotPlace? {
    var last = place
    for table in all.drop(while: { $0.name != place?.table && place != nil }) {
      let columns = table.key.map { quoted($0.name) }.joined(separator: ", ")
      let after = last?.table == table.name ? last?.key ?? [] : []
      let marks = after.map { _ in "?" }.joined(separator: ", ")
      let filter = after.isEmpty ? "" : " WHERE (\(columns)) > (\(marks))"
      let scan = try connection.prepare(
        "SELECT * FROM \(quoted(table.name))\(filter) ORDER BY \(columns)")
      for (index, value) in after.enumerated() { try scan.bind(index + 1, value: value) }
      var found: [SnapshotPart.Row] = []
      while !isFull, try scan.step() {
        let row = SnapshotPart.Row(values: (0..<scan.columnCount).map { scan.value($0) })
        found.append(row)
        rows += 1
        bytes += row.bytes
        last = SnapshotPlace(
          roots: roots, table: table.name, key: table.key.map { row.values[$0.place] })
      }
      if !found.isEmpty { tables.append(SnapshotPart.Table(name: table.name, rows: found)) }
      if isFull { return last }
    }
    return nil
  }

  private var isFull: Bool {
    bytes >= AnswerLimits.snapshotPartBytes || rows >= AnswerLimits.rowsMax
  }
}
