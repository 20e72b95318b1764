import SQL
import Wire

// Expectations, procedures, queries and metrics.

extension Lint {
  mutating func checkExpectations(of source: Source) {
    var checks: [CheckedExpectation] = []
    for expectation in source.expectations where !work.isSpent {
      switch Gate.expectation(
        expectation.check, of: source, sources: package.sources, package.vars, work)
      {
      case .success(let query):
        note(query.warnings, in: expectation.check)
        checks.append(CheckedExpectation(expectation: expectation, check: query))
      case .failure(let found): for fault in found.list { add(fault) }
      }
    }
    do {
      let decoder = try RowDecoder(source: source, defaults: package.defaults)
      sources.append(
        CheckedSource(source: source, decoder: decoder, expectations: checks))
    } catch {
      fault("source:\(source.name)", error.message)
    }
  }

  mutating func check(_ procedure: Procedure) {
    let part = "procedure:\(procedure.name)"
    checkName(procedure.name, part)
    check(procedure.args, part)
    check(procedure.allow, part)
    let upstreams = upstreams(of: procedure.sql)
    guard let source = package.source(procedure.emit) else {
      fault(
        part,
        "emit: there is no source \(procedure.emit)"
          + Spelling.hint(procedure.emit, among: package.sources.map(\.name)))
      return
    }
    guard
      let query = checked(
        procedure.sql, .procedure, catalog(for: nil), arguments: procedure.args),
      let arguments = arguments(procedure.args, part)
    else { return }
    checkEmit(query, into: source, part)
    procedures.append(
      CheckedProcedure(
        procedure: procedure, query: query, arguments: arguments, upstreams: upstreams))
  }

  private mutating func arguments(_ list: [Argument], _ part: String) -> ArgumentDecoder? {
    do {
      return try ArgumentDecoder(list)
    } catch {
      fault(part, error.message)
      return nil
    }
  }

  private mutating func checkEmit(_ query: CheckedQuery, into source: Source, _ part: String) {
    let names = query.columns.map(\.name)
    checkColumns(names, among: source.columns.map(\.name), "emit \(source.name)", part)
    for column in source.columns {
      guard let shape = query.columns.first(where: { $0.name == column.name }) else {
        let needed = column.required || source.primaryKey.contains(column.name)
        if needed, column.defaultText == nil {
          fault(
            part, "emit \(source.name): the SELECT lacks \(column.name), which is required",
            fix: "select …, value as \(column.name)")
        }
        continue
      }
      if shape.pii, column.pii == nil {
        fault(
          part,
          "emit \(source.name): \(column.name) gets personal values, and the source does not mark "
            + "it, so everyone with a role would read them",
          fix: "pii: direct at \(column.name) in the contract of \(source.name)")
      }
      if !column.type.admits(shape.type) {
        fault(
          part,
          "emit \(source.name): \(column.name) is \(column.type), but the SELECT gives "
            + shape.type.spoken,
          fix: shape.type == .unknown ? column.type.mended(shape.type, named: column.name) : nil)
      }
    }
  }

  mutating func check(_ query: Query) {
    let part = "query:\(query.name)"
    checkName(query.name, part)
    check(query.args, part)
    check(query.allow, part)
    if query.rowsMax < 1 || query.rowsMax > PackageLimits.batchRowsMax {
      fault(part, "max_rows: must lie in 1...\(PackageLimits.batchRowsMax)")
    }
    let upstreams = upstreams(of: query.sql)
    guard
      let select = checked(query.sql, .query, catalog(for: nil), arguments: query.args),
      let arguments = arguments(query.args, part),
      let columns = columns(
        of: select, declared: query.returns, key: [], "returns", part)
    else { return }
    if select.hasOrder, !select.isTotallyOrdered {
      let key = select.keys.first { !$0.isEmpty }?.joined(separator: ", ")
      note(
        part,
        "the ORDER BY of \(query.name) leaves ties, so it is answered at trust replica only: end "
          + "it with \(key.map { "the unique key \($0)" } ?? "a unique key")")
    }
    noteWeighed(select, query, part)
    queries.append(
      CheckedNamedQuery(
        query: query, select: select, arguments: arguments, columns: columns,
        upstreams: upstreams))
  }

  /// Values that are withheld can still be found by trying, where they decide about rows.
  private mutating func noteWeighed(_ select: CheckedQuery, _ query: Query, _ part: String) {
    let looks = package.sources.count + models.count + PackageLimits.columnsMax
    work.charge(select.weighed.count * looks)
    guard !work.isSpent else { return }
    let personal = select.weighed.filter { lineage in
      package.sources.first { $0.bronzeTable == lineage.table }?.storedColumns
        .first { $0.name == lineage.column }?.pii != nil
        || models.first { $0.name == lineage.table }?.column(lineage.column)?.pii != nil
    }
    guard !personal.isEmpty, !query.allow.isEmpty, !query.args.isEmpty else { return }
    let names = Set(personal.map(\.column)).sorted().joined(separator: ", ")
    note(
      part,
      "\(query.name) decides about rows by what is personal (\(names)): whoever may ask it can "
        + "find such values by trying, though it shows none")
  }

  mutating func check(_ metric: Metric) {
    let part = "metric:\(metric.name)"
    checkName(metric.name, part)
    let upstreams = upstreams(of: metric.sql)
    guard let select = checked(metric.sql, .test, catalog(for: nil)) else { return }
    guard select.columns.count == 1 else {
      fault(part, "a metric is one number; its SELECT gives \(select.columns.count) columns")
      return
    }
    guard select.columns[0].type.family == .integer else {
      fault(
        part, "a metric is one number; its SELECT gives \(select.columns[0].type.spoken)",
        fix: "cast(… as integer) as \(select.columns[0].name)")
      return
    }
    if package.queries.contains(where: { $0.name == metric.name }) {
      fault(part, "a query has this name too; both are asked by name", fix: "rename the metric")
    }
    if metric.prometheus, select.columns[0].pii {
      fault(
        part, "expose: everyone reads /metrics, and \(metric.name) comes from a personal column",
        fix: "leave out expose:, or count rows instead")
    }
    metrics.append(
      CheckedMetric(
        metric: metric, select: select, upstreams: upstreams,
        dependsOnTime: !changers(of: select, upstreams).isEmpty))
  }
}
