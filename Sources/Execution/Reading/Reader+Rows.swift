import Certification
import Storage
import Wire

extension Reader {
  /// Rows of a certified table with all that proves them.
  ///
  /// - Bound: ends with the row with which they pass `AnswerLimits.resultBytesMax`, and within the
  ///   time of a query.
  package func rows(_ request: RowsRequest) throws(Refusal) -> CertifiedRows {
    let view = try view(at: request.height, proven: true)
    let pipeline = try pipeline(request.pipeline, in: view)
    guard let schema = pipeline.schema(request.table),
      pipeline.package.model(request.table)?.certified == true
    else {
      throw Refusal(
        "NOT_CERTIFIED",
        "\(request.table) is no certified table of \(request.pipeline): ask its catalog, or query "
          + "it at trust quorum")
    }
    guard let certificate = certificate(at: view.height) else {
      throw Refusal("HEIGHT_GONE", "height \(view.height) has no certificate here any more")
    }
    let limit = Int(request.limit)
    guard limit > 0, limit <= AnswerLimits.certifiedRowsMax else {
      throw Refusal(
        "LIMIT", "a limit is 1 to \(AnswerLimits.certifiedRowsMax) rows, not \(request.limit)")
    }
    let range: KeyRange
    do { range = try schema.range(of: request.selection) } catch {
      throw Refusal("KEY", "\(error): give values of the types of the key's columns, in its order")
    }
    guard var proven = pipeline.trie.prove(range, limit: limit, at: view.height),
      let catalog = pipeline.trie.prove(
        key: TableSchema.catalogKey(of: schema.name), at: view.height),
      let root = pipeline.trie.root(at: view.height)
    else { throw Self.proofGone(view.height) }
    let (keys, masked, isOverTime) = (proven.keys, request.caller != pipeline.owner, brake)
    let (rows, taken) = try answering { () throws(Stop) in
      try pipeline.pin.with { engine throws(Stop) in
        try Self.read(keys, of: schema, masked: masked, engine, isOverTime)
      }
    }
    if taken < keys.count {
      guard let shorter = pipeline.trie.prove(range, limit: taken, at: view.height) else {
        throw Self.proofGone(view.height)
      }
      proven = shorter
    }
    return CertifiedRows(
      pipeline: request.pipeline, schema: schema, rows: rows, complete: proven.complete,
      pipelineRoot: root, rowsProof: proven.proof, schemaProof: catalog.proof,
      componentProof: ComponentTrie(view.components).proof(of: request.pipeline),
      certificate: certificate)
  }

  private static func proofGone(_ height: Height) -> Refusal {
    Refusal("HEIGHT_GONE", "the proof of height \(height) is gone: ask for a newer height")
  }

  /// - Returns: the rows of the first keys, and how many keys these are: all, unless the rows end
  ///   for their bytes.
  private static func read(
    _ keys: [[UInt8]], of schema: TableSchema, masked: Bool, _ engine: Engine,
    _ isOverTime: (() -> Bool)?
  ) throws(Stop) -> (rows: [CertifiedRows.Row], taken: Int) {
    let table = StoredTable(schema, indexes: [], on: engine.connection)
    let hasher = RowHasher(schema: schema)
    var measure = CertifiedRows.Measure()
    var rows: [CertifiedRows.Row] = []
    for (place, key) in keys.enumerated() {
      if isOverTime?() == true { throw .refused(tooLong(schema.name)) }
      guard let values = KeyReader.values(of: key, schema),
        let row = try machine({ () throws(StorageFault) in try table.row(key: values) })
      else { continue }
      let shown = hasher.row(row.values, nonce: row.nonce, masked: masked)
      rows.append(shown)
      if measure.passes(with: shown) { return (rows, place + 1) }
    }
    return (rows, keys.count)
  }

  private static func tooLong(_ table: String) -> Refusal {
    Refusal(
      "TIME_LIMIT",
      "reading so many rows of \(table) takes longer than "
        + "\(ExecutionLimits.queryMillisecondsMax) ms: ask for fewer rows")
  }
}

/// Reads the values of a key of the state trie: the reverse of `KeyEncoder`.
enum KeyReader {
  /// - Returns: nil when the bytes are no key of the table.
  static func values(of key: [UInt8], _ schema: TableSchema) -> [Value]? {
    var place = 4
    var values: [Value] = []
    for column in schema.key {
      switch schema.columns[column].type {
      case .int, .decimal, .date, .timestamp, .bool:
        guard place + 8 <= key.count else { return nil }
        let number = key[place..<place + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        values.append(.int(Int64(bitPattern: number ^ (1 << 63))))
        place += 8
      case .text, .uuid, .json, .undeclared:
        guard let bytes = escaped(key, &place) else { return nil }
        values.append(.text(String(decoding: bytes, as: UTF8.self)))
      case .bytes:
        guard let bytes = escaped(key, &place) else { return nil }
        values.append(.bytes(bytes))
      }
    }
    return place == key.count ? values : nil
  }

  private static func escaped(_ key: [UInt8], _ place: inout Int) -> [UInt8]? {
    var bytes: [UInt8] = []
    while place < key.count {
      let byte = key[place]
      place += 1
      guard byte == 0 else {
        bytes.append(byte)
        continue
      }
      guard place < key.count else { return nil }
      place += 1
      if key[place - 1] == 0 { return bytes }
      bytes.append(0)
    }
    return nil
  }
}
