import SQL
import Wire

/// Checks a package part by part and gathers its mistakes.
struct Lint {
  let package: Package
  let places: Places
  /// Of all its SQL.
  let work = CheckWork(stepsMax: PackageLimits.checkStepsMax)
  private(set) var faults: [PackageFault] = []
  var sources: [CheckedSource] = []
  var models: [CheckedModel] = []
  var procedures: [CheckedProcedure] = []
  var queries: [CheckedNamedQuery] = []
  var metrics: [CheckedMetric] = []
  private(set) var notes: [PackageFault] = []

  init(package: Package, places: Places) {
    self.package = package
    self.places = places
  }

  mutating func checkAll() {
    checkPackage()
    for source in package.sources { check(source) }
    for model in package.models { checkShape(of: model) }
    checkSeeds()
    // SQL is checked against the tables that the contracts describe, so they come first.
    guard faults.isEmpty else { return }
    checkSQL()
    noteCertified()
    refuseWork()
  }

  /// Where the steps of checking ran out, whatever was found is of no account: what was no longer
  /// looked at seems to be wrong.
  private mutating func refuseWork() {
    guard work.isSpent else { return }
    let place = places.place(of: "package")
    faults = [
      PackageFault(
        file: place.file, line: place.line, column: place.column, rule: "SQL03",
        message: "checking the SQL of this package takes more than "
          + "\(PackageLimits.checkStepsMax) steps, which every replica would take for it",
        fix: "split the package, or let its statements read fewer and narrower tables")
    ]
  }

  /// Each row writes an entry into every index of its table.
  mutating func checkIndexes(of package: CheckedPackage) {
    defer { refuseWork() }
    let indexes = IndexPlan(package, work)
    let tables =
      package.sources.map { ("source:\($0.name)", $0.source.bronzeTable, $0.source.primaryKey) }
      + package.models.filter(\.model.isStored).map { ("model:\($0.name)", $0.name, $0.primaryKey) }
    for (part, table, key) in tables {
      let wanted = indexes.wanted(table, key: key)
      if wanted.count > PackageLimits.indexesMax {
        fault(
          part,
          "the table \(table) would have \(wanted.count) indexes, for the unique and references "
            + "tests on it and the refresh of the models that read it; at most "
            + "\(PackageLimits.indexesMax) are allowed",
          fix: "leave out such tests, or let more models have the same by:")
      }
      let widest = wanted.map(\.count).max() ?? 0
      if widest > PackageLimits.tableColumnsMax {
        fault(
          part,
          "an index of the table \(table) would have \(widest) columns, for what a map or a scope "
            + "compares; at most \(PackageLimits.tableColumnsMax) are allowed",
          fix: "compare each column once")
      }
    }
  }

  /// Proofs are for everyone, so a certified table passes by the roles of the package.
  private mutating func noteCertified() {
    let grants =
      package.sources.flatMap(\.allow) + package.procedures.flatMap(\.allow)
      + package.queries.flatMap(\.allow)
    let roles = grants.compactMap { if case .role(let role) = $0 { role } else { nil } }
    guard let role = roles.sorted().first else { return }
    for model in package.models where model.certified {
      note(
        "model:\(model.name)",
        "\(model.name) is certified: everyone reads it row by row, with proofs and "
          + "without a role, though the package restricts other reads (role:\(role)). Only columns "
          + "marked pii: are withheld; leave out certified: if its rows are not for everyone")
    }
  }

  /// What is sound, and yet may not be meant.
  mutating func note(_ part: String, _ message: String) {
    let place = places.place(of: part)
    notes.append(
      PackageFault(
        .note, file: place.file, line: place.line, column: place.column, message: message))
  }

  /// Comparisons and sums that do what they say, which may not be what was meant (QD23).
  mutating func note(_ warnings: [Diagnostic], in script: SQLScript) {
    for warning in warnings where warning.rule == "QD23" {
      let note = Gate.fault(warning, in: script, .note)
      work.charge(notes.count)
      if !notes.contains(note) { notes.append(note) }
    }
  }

  mutating func fault(_ part: String, _ message: String, fix: String? = nil) {
    let place = places.place(of: part)
    let named = place.line > 0 ? message : "\(part): \(message)"
    faults.append(
      PackageFault(
        file: place.file, line: place.line, column: place.column, message: named, fix: fix))
  }

  mutating func add(_ fault: PackageFault) {
    // Where nothing more is checked, one says it for all.
    guard !work.isSpent || faults.isEmpty else { return }
    work.charge(faults.count)
    // An expectation and a model may both meet the same fault; it is told once.
    if !faults.contains(fault) { faults.append(fault) }
  }

  // MARK: - The package as a whole

  private mutating func checkPackage() {
    checkName(package.name, "package")
    if package.version.isEmpty { fault("package", "version: is empty", fix: "version: 1.0.0") }
    if package.rules != Package.rules {
      fault("package", "rules: is \(Package.rules), not \(package.rules)")
    }
    for variable in package.vars { checkName(variable.name, "package/vars") }
    let defaults = package.defaults
    check(
      Int(defaults.batchRowsMax), in: 1...Int(PackageLimits.batchRowsMax), "max_batch_rows")
    check(Int(defaults.batchBytesMax), in: 1_024...Limits.callBodyBytesMax, "max_batch_bytes")
    check(
      Int(defaults.stringBytesMax), in: 1...Int(PackageLimits.stringBytesMax),
      "max_string_bytes")
    let stepsMax = Limits.stepsPerBlockMax
    if package.budget.stepsPerUpdate < 1_000 || package.budget.stepsPerUpdate > stepsMax {
      fault("package", "steps_per_update: must lie in 1000...\(stepsMax)")
    }
    if package.budget.rowsWrittenPerUpdate < 1 {
      fault("package", "rows_written_per_update: must be at least 1")
    }
    check(Int(package.freezingDays), in: 1...3_650, "freezing_days")
    checkPublicBudget()
    checkDrops()
    for source in package.sources { checkTableName(of: source) }
    for model in package.models { checkTableName(of: model) }
  }

  /// Strangers may not burn a developer's cycles without bound.
  private mutating func checkPublicBudget() {
    guard package.budget.publicDaily == 0 else { return }
    let open =
      package.sources.filter { $0.allow.contains(.anyone) }.map { "source:\($0.name)" }
      + package.procedures.filter { $0.allow.contains(.anyone) }.map { "procedure:\($0.name)" }
    for part in open {
      fault(
        part,
        "allow: [public] lets anybody burn the pipeline's cycles: a public_budget bounds what they "
          + "burn a day, all together",
        fix: "budget: { public_budget: 10G } in pipeline.yaml")
    }
  }

  /// Names that SQLite and the engine keep for themselves: a table by one of them cannot be made.
  private mutating func checkTableName(of model: Model) {
    let name = model.name
    if name.hasPrefix("bronze_") || name.hasPrefix("quarantine_") {
      fault("model:\(name)", "names that begin so belong to the tables of sources")
    }
    let reserved = [
      "sqlite_", "ledger_", "changed_", "pragma_", "json_each", "json_tree", "dbstat",
    ]
    // The first index of a model called bronze would bear the name of the source i1's table.
    let isBeginning = ["bronze", "quarantine", "changed", "sqlite"].contains(name)
    let isIndex = Self.isIndexName(name)
    guard isIndex || isBeginning || reserved.contains(where: name.hasPrefix) else { return }
    fault(
      "model:\(name)", Self.keptName, fix: "name: my_\(isIndex ? name + "_rows" : name)")
  }

  /// The table `bronze_x_i1` of a source and an index of the source `x` would have one name.
  private mutating func checkTableName(of source: Source) {
    guard Self.isIndexName(source.name) else { return }
    fault("source:\(source.name)", Self.keptName, fix: "source: \(source.name)_rows")
  }

  private static let keptName = "is a name that the engine keeps for its own tables and indexes"

  /// Indexes are called as their table, with `_i1` and so on behind it. SQLite has one space of
  /// names for tables, views and indexes.
  private static func isIndexName(_ name: String) -> Bool {
    name.wholeMatch(of: #/.*_i[0-9]+/#) != nil
  }

  /// A drop names what is no longer in the package.
  private mutating func checkDrops() {
    for name in Self.twins(package.drops) { fault("package/drops", "drops: \(name) stands twice") }
    for name in package.drops {
      let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      let isName = parts.allSatisfy { Naming.isName($0) }
      let isCaptured =
        parts.count == 2 && Naming.isName(parts[0]) && parts[1] == Source.captureColumn
      guard parts.count <= 2, isName || isCaptured else {
        fault("package/drops", "drops: holds NAME or NAME.COLUMN, not \(name.prefix(100))")
        continue
      }
      let isThere =
        parts.count == 1
        ? package.source(name) != nil || package.model(name) != nil
        : package.source(parts[0])?.storedColumns.contains { $0.name == parts[1] } ?? false
      if isThere { refuseDrop(of: name) }
    }
  }

  /// A model's columns are known once its SELECT is.
  mutating func checkDroppedColumns() {
    for name in package.drops {
      let parts = name.split(separator: ".").map(String.init)
      guard parts.count == 2, let model = models.first(where: { $0.name == parts[0] }),
        model.column(parts[1]) != nil
      else { continue }
      refuseDrop(of: name)
    }
  }

  private mutating func refuseDrop(of name: String) {
    fault(
      "package/drops", "drops: \(name) is still in the package",
      fix: "remove it there, or keep it out of drops:")
  }

  private mutating func check(_ value: Int, in range: ClosedRange<Int>, _ key: String) {
    guard !range.contains(value) else { return }
    fault(
      "package", "\(key): is \(value); it must lie in \(range.lowerBound)...\(range.upperBound)")
  }

  mutating func checkName(_ name: String, _ part: String) {
    if !Naming.isName(name) { fault(part, Naming.rule(broken: name)) }
  }

  /// Names that stand twice in a list.
  static func twins(_ names: [String]) -> [String] {
    var twins: [String] = []
    for (index, name) in names.enumerated()
    where names[..<index].contains(name) && !twins.contains(name) { twins.append(name) }
    return twins
  }

  /// Checks that all names are columns, and none stands twice.
  mutating func checkColumns(
    _ names: [String], among columns: [String], _ what: String, _ part: String
  ) {
    for name in Self.twins(names) { fault(part, "\(what): \(name) stands twice") }
    for name in names where !columns.contains(name) {
      fault(
        part,
        "\(what): there is no column \(name)" + Spelling.hint(name, among: columns),
        fix: Spelling.nearest(name, among: columns) == nil
          ? "use one of \(columns.joined(separator: ", "))" : nil)
    }
  }

  // MARK: - Grants and arguments

  mutating func check(_ grants: [Grant], _ part: String) {
    for grant in grants {
      if case .role(let role) = grant { checkName(role, part) }
    }
    for name in Self.twins(grants.map(\.description)) {
      fault(part, "allow: \(name) stands twice")
    }
  }

  mutating func check(_ arguments: [Argument], _ part: String) {
    for argument in arguments { checkName(argument.name, part) }
    for name in Self.twins(arguments.map(\.name)) { fault(part, "args: \(name) stands twice") }
  }
}
