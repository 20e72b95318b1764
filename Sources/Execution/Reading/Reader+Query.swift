import Certification
import Pipelines
import SQL
import Storage
import Wire

extension Reader {
  /// Answers a named query or a SELECT at a certified height.
  ///
  /// Rows without an ORDER BY come in the order of their canonical bytes, so equal states give
  /// equal answers. Values that come from columns marked `pii:` are null for all but the owner.
  /// - Throws: `UNKNOWN_PIPELINE`, `UNKNOWN_QUERY`, `NOT_ALLOWED`, `ARGUMENTS`, a rule of the SQL
  ///   checker, `STEP_LIMIT`, `TOO_MANY_ROWS`, `TOO_LARGE`, `HEIGHT_GONE`, `NOT_READY`.
  package func query(_ request: QueryRequest) throws(Refusal) -> AnswerContent {
    let view = try view(at: request.height, proven: false)
    let worked = try Workshop(reader: self, view: view, request: request).answer()
    let result: ResultTable
    if let worked { result = worked } else { result = try self.result(request, view) }
    return AnswerContent(
      subnet: subnet, epoch: 0, subject: request.subject, height: view.height, time: view.time,
      stateRoot: view.stateRoot, result: result)
  }

  private func result(
    _ request: QueryRequest, _ view: HeightView
  ) throws(Refusal) -> ResultTable {
    let pipeline = try pipeline(request.pipeline, in: view)
    // What a refused statement is told of its names would tell of the schema.
    if case .sql = request.question { try admitSQL(of: request.caller, pipeline) }
    let asked = try Asked(request, of: pipeline)
    return try answering { () throws(Stop) in
      try pipeline.pin.with { engine throws(Stop) in
        try asked.authorize(request.caller, engine)
        return try asked.run(on: engine, time: view.time, isOverTime: self.brake)
      }
    }
  }

  /// SQL of people is for the owner, and whoever holds any role.
  private func admitSQL(
    of caller: PublicKey?, _ pipeline: PipelineView
  ) throws(Refusal) {
    let isAllowed = try answering { () throws(Stop) in
      try pipeline.pin.with { engine throws(Stop) in
        try pipeline.isAllowed(caller, pipeline.roles, engine)
      }
    }
    guard !isAllowed else { return }
    throw Refusal.notAllowed(
      caller, "read the tables of \(pipeline.name)", of: pipeline.name, pipeline.roles,
      in: Grant.anyAllow)
  }
}

/// One question, checked: the statement with the values of its arguments.
struct Asked {
  let name: String
  let select: CheckedQuery
  let columns: [ResultTable.Column]
  /// By column: whether its values come from personal ones that the caller may not see.
  let withheld: [Bool]
  let values: [(name: String, value: Value)]
  let rowsMax: Int
  var stepsMax = ExecutionLimits.stepsPerQuery
  let pipeline: PipelineView
  let grants: [Grant]
  let mustAgree: Bool
}

extension Asked {
  init(_ request: QueryRequest, of pipeline: PipelineView) throws(Refusal) {
    switch request.question {
    case .named(let wanted):
      if let metric = pipeline.checked.metric(wanted) {
        if let argument = request.arguments.first {
          throw Refusal("ARGUMENTS", "no argument is called \(argument.name): \(wanted) takes none")
        }
        self.init(metric, of: pipeline, caller: request.caller, request.trust != .replica)
      } else {
        self = try Self.named(wanted, request, pipeline)
      }
    case .sql(let text):
      let select = try Self.check(text, request.arguments, pipeline, caller: request.caller)
      self.init(
        name: "the query", select: select,
        columns: select.columns.map { .init(name: $0.name, type: $0.type.shown) },
        // The catalog of a reader holds no personal column; what had one would be withheld too.
        withheld: select.columns.map { request.caller != pipeline.owner && $0.pii },
        values: request.arguments.map { ($0.name, $0.value) },
        rowsMax: ExecutionLimits.answerRowsMax, pipeline: pipeline,
        grants: pipeline.roles, mustAgree: request.trust != .replica)
    case .plan, .check, .lineage:
      preconditionFailure("answered in the workshop")
    }
    if mustAgree { try refuseDisagreement() }
  }

  /// A metric is asked by its name, and answered in a column of it.
  init(
    _ metric: CheckedMetric, of pipeline: PipelineView, caller: PublicKey?, _ mustAgree: Bool
  ) {
    self.init(
      name: "the metric \(metric.name)", select: metric.select,
      columns: [.init(name: metric.name, type: metric.select.columns[0].type.shown)],
      withheld: [caller != pipeline.owner && metric.select.columns[0].pii], values: [],
      rowsMax: 1, stepsMax: ExecutionLimits.stepsPerMetric, pipeline: pipeline,
      grants: metric.allow, mustAgree: mustAgree)
  }

  private static func named(
    _ wanted: String, _ request: QueryRequest, _ pipeline: PipelineView
  ) throws(Refusal) -> Asked {
    guard let query = pipeline.checked.query(wanted) else {
      let known = pipeline.package.queries.map(\.name) + pipeline.package.metrics.map(\.name)
      throw Refusal(
        "UNKNOWN_QUERY",
        "\(pipeline.name) has no query or metric \(wanted): it has \(Deployment.listed(known))")
    }
    return Asked(
      name: "the query \(wanted)", select: query.select,
      columns: query.columns.map { .init(name: $0.name, type: $0.type.proven) },
      withheld: zip(query.columns, query.select.columns).map { declared, found in
        request.caller != pipeline.owner && (declared.pii != nil || found.pii)
      }, values: try values(request.arguments, of: query.arguments),
      rowsMax: min(Int(query.query.rowsMax), AnswerLimits.rowsMax), pipeline: pipeline,
      grants: query.query.allow, mustAgree: request.trust != .replica)
  }

  /// What `f + 1` replicas are to answer alike.
  private func refuseDisagreement() throws(Refusal) {
    guard select.deterministic else {
      throw Refusal(
        "QD20",
        "\(name) may compute in floating point, which replicas need not agree on: ask at trust "
          + "replica, or compute with integers")
    }
    guard select.isTotallyOrdered || !select.hasOrder else {
      throw Refusal(
        "QD06",
        "the ORDER BY of \(name) leaves ties, which replicas may order differently: end it with a "
          + "unique key, or leave it out")
    }
  }

  // MARK: Arguments

  /// As a procedure reads the members of its JSON object.
  private static func values(
    _ given: [Certification.Argument], of decoder: ArgumentDecoder
  ) throws(Refusal) -> [(name: String, value: Value)] {
    let values = try decoder.decode(given.map { (name: $0.name, value: $0.value.stored) })
    return zip(decoder.arguments, values).map { ($0.name, $1.value) }
  }

  // MARK: SQL of people

  private static func check(
    _ text: String, _ arguments: [Certification.Argument], _ pipeline: PipelineView,
    caller: PublicKey?
  ) throws(Refusal) -> CheckedQuery {
    let parameters = arguments.map { argument -> (name: String, type: SQLType) in
      switch argument.value {
      case .null: (argument.name, .null)
      case .int: (argument.name, .integer)
      case .text: (argument.name, .text)
      case .bytes: (argument.name, .bytes)
      }
    }
    let values = arguments.map { argument -> (name: String, value: SQL.Literal) in
      switch argument.value {
      case .null: (argument.name, .null)
      case .int(let number): (argument.name, .integer(number))
      case .text(let text): (argument.name, .text(text))
      case .bytes(let bytes): (argument.name, .blob(bytes))
      }
    }
    let shows = caller == pipeline.owner
    do throws(Diagnostics) {
      let query: SQL.Query
      do { query = try parse(SQLText(file: "query", text: text), form: .adhoc) } catch {
        throw Diagnostics([error])
      }
      return try SQL.check(
        query, catalog: catalog(of: pipeline, personal: shows), profile: .adhoc,
        parameters: parameters, arguments: values)
    } catch {
      throw Refusal(error.list[0].rule, error.description)
    }
  }

  /// Every table; without its personal columns for whoever is not the owner.
  private static func catalog(of pipeline: PipelineView, personal: Bool) -> SQL.Catalog {
    func seen(_ shape: TableShape) -> TableShape {
      guard !personal else { return shape }
      let columns = shape.columns.filter { !$0.pii }
      let names = columns.map(\.name)
      return TableShape(
        name: shape.name, columns: columns,
        keys: shape.keys.filter { $0.allSatisfy { names.contains($0) } },
        hidden: shape.columns.filter(\.pii).map(\.name))
    }
    var entries: [SQL.Catalog.Entry] = []
    for source in pipeline.package.sources {
      entries.append(.init(kind: .source, name: source.name, shape: seen(source.shape)))
      entries.append(
        .init(
          kind: .source, name: source.quarantineTable, shape: seen(source.quarantineShape)))
    }
    for model in pipeline.checked.models {
      entries.append(.init(kind: .ref, name: model.name, shape: seen(model.shape)))
    }
    return SQL.Catalog(entries)
  }

  // MARK: Running

  func authorize(_ caller: PublicKey?, _ engine: Engine) throws(Stop) {
    guard try pipeline.isAllowed(caller, grants, engine) else {
      throw .refused(
        Refusal.notAllowed(caller, "ask \(name) of \(pipeline.name)", of: pipeline.name, grants))
    }
  }

  func run(
    on engine: Engine, time: Moment, isOverTime: (() -> Bool)?
  ) throws(Stop) -> ResultTable {
    engine.functions.begin(time: time, randomness: .zero, call: .zero)
    engine.meter.isOverTime = isOverTime
    defer { engine.meter.isOverTime = nil }
    let statement = try engine.cachedUser(select.print(), name)
    try machine { () throws(StorageFault) in
      statement.reset()
      for (name, value) in values {
        guard let place = statement.parameter(":\(name)") else { continue }
        try statement.bind(place, value: value)
      }
    }
    var budget = StepBudget(limit: stepsMax)
    var rows: [[Value]] = []
    var size = 0
    try engine.run(statement, &budget, name) { row throws(Stop) in
      let values = try self.values(row)
      size += StoredRow(values: values).size
      try self.bound(rows.count + 1, size)
      rows.append(values)
    }
    if !select.hasOrder { rows = Self.ordered(rows) }
    return ResultTable(columns: columns, rows: rows)
  }

  private func bound(_ rows: Int, _ size: Int) throws(Stop) {
    guard rows <= rowsMax else {
      throw .refused(
        Refusal(
          "TOO_MANY_ROWS",
          "\(name) gives more than \(rowsMax) rows, and a part would not be an answer: narrow it"))
    }
    guard size <= AnswerLimits.resultBytesMax else {
      throw .refused(
        Refusal(
          "TOO_LARGE",
          "\(name) gives more than \(AnswerLimits.resultBytesMax) bytes: narrow it, or ask for "
            + "fewer columns"))
    }
  }

  private func values(_ row: PreparedStatement) throws(Stop) -> [Value] {
    var values: [Value] = []
    values.reserveCapacity(columns.count)
    for index in columns.indices {
      if withheld[index] {
        values.append(.null)
        continue
      }
      guard row.type(index) == .real else {
        values.append(row.value(index))
        continue
      }
      guard !mustAgree else {
        throw .refused(
          Refusal(
            "QD48",
            "\(columns[index].name) comes out as a floating-point number, which replicas need not "
              + "agree on: ask at trust replica"))
      }
      values.append(.text(String(row.real(index))))
    }
    return values
  }

  /// Rows that come in no order of their own, by their canonical bytes.
  static func ordered(_ rows: [[Value]]) -> [[Value]] {
    rows.map { row -> (row: [Value], key: [UInt8]) in
      var encoder = Encoder()
      for value in row { encoder.value(value) }
      return (row, encoder.bytes)
    }.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.row)
  }
}

extension SQLType {
  /// The type of a column of a result whose meaning nobody declared.
  var shown: Certification.ColumnType {
    switch self {
    case .text: .text
    case .integer: .int
    case .decimal(_, let scale): UInt8(exactly: scale).map { .decimal(scale: $0) } ?? .int
    case .date: .date
    case .timestamp: .timestamp
    case .bool: .bool
    case .uuid: .uuid
    case .bytes: .bytes
    case .json: .json
    case .real, .null, .unknown: .undeclared
    }
  }
}

extension Source {
  /// The quarantine table as SQL sees it.
  var quarantineShape: TableShape {
    let columns = SourcePlan.quarantineColumns(of: self).map { column in
      ColumnShape(
        name: column.name, type: column.type == .int ? .integer : .text,
        nullable: column.nullable, pii: column.personal)
    }
    let key = SourcePlan.quarantineKey(of: self).map { columns[$0].name }
    return TableShape(name: quarantineTable, columns: columns, keys: [key])
  }
}
