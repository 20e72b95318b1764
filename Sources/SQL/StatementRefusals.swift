/// What a text is refused for that is no SELECT: each statement by its own rule.
///
/// - Bound: one pass over the tokens.
struct StatementRefusals {
  let source: SQLText
  let tokens: [Token]

  /// The refusal of a text whose first word is not SELECT or WITH.
  func refusal() -> Diagnostic {
    let first = tokens[0]
    guard case .word(let word) = first.kind else { return notSelect(first) }
    switch word.folded {
    case "insert", "replace": return insert(first)
    case "update": return change(first, verb: "UPDATE")
    case "delete": return change(first, verb: "DELETE")
    case "create": return create(first)
    case "alter", "drop": return definition(first)
    case "analyze":
      return source.refusal(
        "QD27", at: first.place, "ANALYZE",
        because: "statistics change the plan, and so the bill, on one replica only",
        fix: "remove the statement; the engine creates the indexes of declared keys")
    case "pragma": return pragma(first)
    case "attach", "detach", "vacuum", "reindex", "savepoint", "release", "begin", "commit", "end",
      "rollback":
      return source.refusal(
        "QD30", at: first.place, "\(word.uppercased()) is the engine's",
        because: "one update is one savepoint in the block's transaction, and the engine owns it",
        fix: "remove the statement; every update commits whole or not at all")
    case "explain":
      return source.refusal(
        "QD31", at: first.place, "EXPLAIN", because: "plans differ between SQLite versions",
        fix: "remove EXPLAIN; `quorate pipeline plan` tells what each model of a package costs")
    default: return notSelect(first)
    }
  }

  /// Settings by the rule that they would break; all others break QD29.
  private static let settings: [(rule: String, names: [String], reason: String)] = [
    ("QD14", ["recursive_triggers"], "there are no triggers"),
    ("QD15", ["foreign_keys", "defer_foreign_keys"], "the order of their actions is the schema's"),
    ("QD24", ["encoding"], "all text is UTF-8"),
    ("QD27", ["optimize", "analysis_limit"], "statistics change the plan, and so the bill"),
    (
      "QD37", ["hard_heap_limit", "soft_heap_limit", "max_page_count"],
      "memory and pages depend on the machine, so running out of them is never an outcome"
    ),
    ("QD38", ["busy_timeout"], "a wait ends by the machine's own clock"),
    (
      "QD39", ["threads", "cache_size", "cache_spill", "temp_store", "mmap_size"],
      "threads and caches differ from machine to machine"
    ),
  ]

  private func pragma(_ first: Token) -> Diagnostic {
    // `pragma main.threads` names the setting behind its database.
    let named = tokens.dropFirst().prefix(3).map(\.spelling.folded)
    let known = Self.settings.first { $0.names.contains(where: named.contains) }
    let fix = "remove the statement; the catalog of a pipeline is at GET /v1/catalog"
    return source.refusal(
      known?.rule ?? "QD29", at: first.place, "PRAGMA",
      because: known?.reason ?? "settings belong to the engine", fix: fix)
  }

  private func place(of keyword: String) -> Place? {
    tokens.first { token in
      if case .word(let word) = token.kind { return word.folded == keyword }
      return false
    }?.place
  }

  private func notSelect(_ token: Token) -> Diagnostic {
    if case .word(let word) = token.kind, word.folded == "values" {
      return source.refusal(
        "SQL04", at: token.place, "VALUES as a query", because: "pipelines say SELECT",
        fix: "select 1 as a union all select 2")
    }
    return source.refusal(
      "SQL01", at: token.place, "a statement begins with SELECT or WITH",
      because: "found \(token.spelling)", fix: "select … from {{ ref('model') }}")
  }

  private func insert(_ first: Token) -> Diagnostic {
    if let place = place(of: "returning") { return returning(place) }
    return source.refusal(
      "QD09", at: first.place, "INSERT in user SQL",
      because: "who wins a conflict would depend on the order of arrival",
      fix: "write a SELECT; a procedure with `emit: SOURCE` appends its rows")
  }

  private func change(_ first: Token, verb: String) -> Diagnostic {
    if let place = place(of: "returning") { return returning(place) }
    if let place = place(of: "limit") {
      return source.refusal(
        "QD12", at: place, "\(verb) with LIMIT",
        because: "which rows it takes is not defined",
        fix: "write a SELECT; the engine writes the differences of a model by key")
    }
    if verb == "UPDATE", let place = place(of: "from") {
      return source.refusal(
        "QD10", at: place, "UPDATE … FROM",
        because: "with several matches the row that wins is arbitrary",
        fix: "write a SELECT that joins on a unique key")
    }
    return source.refusal(
      "QD11", at: first.place, "\(verb) in user SQL",
      because: "the order of visiting decides which UNIQUE conflict arises",
      fix: "write a SELECT; the engine writes the differences of a model by key")
  }

  private func returning(_ place: Place) -> Diagnostic {
    source.refusal(
      "QD13", at: place, "RETURNING", because: "its order is arbitrary",
      fix: "read the rows with a query; receipts list them sorted by key")
  }

  private func create(_ first: Token) -> Diagnostic {
    let words = tokens.prefix(4).map(\.spelling.folded)
    if words.contains("temp") || words.contains("temporary") {
      return source.refusal(
        "QD34", at: first.place, "a temporary table",
        because: "it lives outside of the state root", fix: "with name as (select …) select …")
    }
    if let place = place(of: "trigger") {
      return source.refusal(
        "QD14", at: place, "a trigger", because: "the order of several triggers is undefined",
        fix: "write a model; the pipeline's graph orders them")
    }
    if let place = place(of: "virtual"), words.contains("virtual") {
      return source.refusal(
        "QD33", at: place, "a virtual table", because: "its content is not in the state root",
        fix: "declare a source or a model")
    }
    if words.contains("index"), let place = place(of: "index") { return index(place) }
    let hazards: [(keyword: String, rule: String, what: String, why: String, fix: String)] = [
      (
        "autoincrement", "QD17", "AUTOINCREMENT", "sqlite_sequence is not in the state root",
        "primary_key: [name] in the contract, or row_number() over a key"
      ),
      (
        "default", "QD03", "a DEFAULT in SQL", "the authorizer never sees its expression",
        "default: a literal in the contract's YAML"
      ),
      (
        "references", "QD15", "a foreign key in SQL", "the order of its actions is the schema's",
        "references: { column: model } in the contract"
      ),
    ]
    for hazard in hazards {
      if let place = place(of: hazard.keyword) {
        return source.refusal(
          hazard.rule, at: place, hazard.what, because: hazard.why, fix: hazard.fix)
      }
    }
    return definition(first)
  }

  private func index(_ place: Place) -> Diagnostic {
    source.refusal(
      "QD46", at: place, "an index in user SQL",
      because: "the order in which indexes were made changes the plan, and so the bill",
      fix: "primary_key: and refresh: in the package; the engine indexes their columns")
  }

  private func definition(_ first: Token) -> Diagnostic {
    if case .word(let word)? = tokens.dropFirst().first?.kind, word.names("index") {
      return index(tokens[1].place)
    }
    return source.refusal(
      "QD35", at: first.place, "\(first.spelling.uppercased()) in user SQL",
      because: "tables, views and indexes are created by the engine from the contracts",
      fix: "declare columns: and primary_key: in the package's YAML")
  }
}
