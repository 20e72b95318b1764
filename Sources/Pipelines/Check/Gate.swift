import SQL
import Wire

/// The one way from a package's scripts to the SQL checker, and from its refusals to ours.
///
/// - Bound: each call takes as many steps as one text may, and no more than are left of the
///   package's `work`.
enum Gate {
  /// The tables that a script names, ascending.
  static func tables(
    of script: SQLScript, _ work: CheckWork
  ) -> Result<[Upstream], PackageFaults> {
    do {
      let tables = try parse(script.sqlText, work: CheckWork(within: work)).references
      return .success(
        tables.compactMap { table in
          switch table {
          case .ref(let name): .model(name)
          case .source(let name): .source(name)
          case .changed, .plain: nil
          }
        }.sorted())
    } catch {
      return .failure(PackageFaults([fault(error, in: script)]))
    }
  }

  /// Whether a script reads `{{ changed }}`.
  static func readsChanged(_ script: SQLScript, _ work: CheckWork) -> Bool {
    let query = try? parse(script.sqlText, work: CheckWork(within: work))
    return query?.references.contains(.changed) == true
  }

  /// Which of these columns the script computes rather than passes on.
  static func computed(
    _ names: [String], by script: SQLScript, _ work: CheckWork
  ) -> [String] {
    guard let query = try? parse(script.sqlText, work: CheckWork(within: work)) else {
      return names
    }
    work.charge(names.count * script.text.utf8.count / 8)
    return names.filter { query.computes($0) }
  }

  static func check(
    _ script: SQLScript, _ profile: Profile, _ catalog: SQL.Catalog, _ vars: [Variable],
    _ arguments: [Argument], _ work: CheckWork
  ) -> Result<CheckedQuery, PackageFaults> {
    do {
      let own = CheckWork(within: work)
      let query = try parse(script.sqlText, work: own)
      return .success(
        try SQL.check(
          query, catalog: catalog, profile: profile,
          parameters: arguments.map { ($0.name, $0.type.sqlType) },
          vars: vars.map { ($0.name, $0.value.sqlLiteral) }, work: own))
    } catch let error as Diagnostic {
      return .failure(PackageFaults([fault(error, in: script)]))
    } catch let errors as Diagnostics {
      return .failure(PackageFaults(errors.list.map { fault($0, in: script) }))
    } catch {
      return .failure(PackageFaults([PackageFault(file: script.file, message: "\(error)")]))
    }
  }

  /// Why a statement cannot be computed one key at a time.
  static func refusals(
    of query: CheckedQuery, keyedBy tables: KeyedTables, in script: SQLScript, _ work: CheckWork
  ) -> [PackageFault] {
    query.refusals(keyedBy: tables, work: CheckWork(within: work))
      .map { fault($0, in: script) }
  }

  /// An expectation sees its source's own columns, and others' through `exists_in`.
  static func expectation(
    _ script: SQLScript, of source: Source, sources: [Source], _ vars: [Variable],
    _ work: CheckWork
  ) -> Result<CheckedExpression, PackageFaults> {
    do {
      for source in sources { work.charge(2 * source.columns.count) }
      return .success(
        try checkExpectation(
          script.sqlText, over: source.shape, lookups: sources.map { ($0.name, $0.shape) },
          vars: vars.map { ($0.name, $0.value.sqlLiteral) }, work: CheckWork(within: work)))
    } catch {
      return .failure(PackageFaults(error.list.map { fault($0, in: script) }))
    }
  }

  /// Places of a diagnostic count from the start of the script; in its file they begin later.
  static func fault(
    _ diagnostic: Diagnostic, in script: SQLScript, _ severity: PackageFault.Severity = .error
  ) -> PackageFault {
    let place = diagnostic.place
    let line = Int(script.line) + place.line - 1
    let column = place.line == 1 ? Int(script.column) + place.column - 1 : place.column
    return PackageFault(
      severity, file: script.file, line: line, column: column, rule: diagnostic.rule,
      message: diagnostic.message,
      excerpt: PackageFault.Excerpt(
        sourceLine: diagnostic.sourceLine, column: place.column, reason: diagnostic.reason),
      fix: diagnostic.fix)
  }
}

extension SQLScript {
  package var sqlText: SQLText { SQLText(file: file, text: text) }
}

extension Literal {
  package var sqlLiteral: SQL.Literal {
    switch self {
    case .integer(let value): .integer(value)
    case .text(let value): .text(value)
    }
  }
}
