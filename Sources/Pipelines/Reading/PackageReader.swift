import Wire

/// Reads the folder of a package: YAML and SQL files into a `Package`.
///
/// Only where packages are submitted from; replicas read canonical bytes. All mistakes of the
/// folder are told in one go.
package struct PackageReader {
  let files: PackageFiles
  let faults = FaultList()
  var places = Places()
  /// Files that some part of the package named.
  var used: [String] = []
  /// Some YAML file could not be read.
  private var isUnreadable = false
  var package = Package(name: "", version: "")

  /// Reads and checks the package in a folder.
  package static func read(directory: String) throws(PackageFaults) -> Package {
    try read(PackageFiles(directory: directory))
  }

  /// Reads and checks a package whose files are in memory.
  package static func read(_ files: PackageFiles) throws(PackageFaults) -> Package {
    try readWithTests(files).checked.package
  }

  /// Reads and checks a package with its tests.
  package static func readWithTests(
    _ files: PackageFiles
  ) throws(PackageFaults) -> (checked: CheckedPackage, tests: [UnitTest]) {
    let (package, places) = try readUnchecked(files)
    let checked = try CheckedPackage(package, places: places)
    let faults = FaultList()
    var tests = UnitTestReader(files, faults, package: checked)
    for file in files.files where file.path.hasPrefix("tests/") && file.path.hasSuffix(".yaml") {
      let text = String(decoding: file.bytes, as: UTF8.self)
      guard let root = StrictYAML.parse(text, file: file.path, faults: faults) else { continue }
      tests.read(root, file.path)
    }
    guard faults.faults.isEmpty else { throw PackageFaults(faults.faults) }
    return (checked, tests.tests)
  }

  /// Reads a package without checking its SQL and what its parts say of one another.
  package static func readUnchecked(
    _ files: PackageFiles
  ) throws(PackageFaults) -> (Package, Places) {
    var reader = PackageReader(files: files)
    reader.readAll()
    guard reader.faults.faults.isEmpty else { throw PackageFaults(reader.faults.faults) }
    let whole = reader.package
    let sorted = Package(
      name: whole.name, version: whole.version, description: whole.description,
      rules: whole.rules, vars: whole.vars, defaults: whole.defaults, budget: whole.budget,
      freezingDays: whole.freezingDays, sources: whole.sources, models: whole.models,
      procedures: whole.procedures, queries: whole.queries, seeds: whole.seeds,
      metrics: whole.metrics, drops: whole.drops)
    return (sorted, reader.places)
  }

  private init(files: PackageFiles) { self.files = files }

  private mutating func readAll() {
    for file in files.files where file.path.hasSuffix(".yml") {
      faults.add(file.path, 0, 0, "files of a package end in .yaml; rename it")
    }
    readManifest()
    for path in files.paths(in: "sources", ending: ".yaml") { readSources(path) }
    for path in files.paths(in: "models", ending: ".yaml") { readModels(path) }
    for path in files.paths(in: "procedures", ending: ".yaml") { readProcedures(path) }
    for path in files.paths(in: "queries", ending: ".yaml") { readQueries(path) }
    readTests()
    refuseTwins()
    refuseUnused()
  }

  /// Tests are no part of the package: here they are held to their form.
  private mutating func readTests() {
    var reader = UnitTestReader(files, faults, package: nil)
    for path in files.paths(in: "tests", ending: ".yaml") {
      if let root = document(path) { reader.read(root, path) }
    }
    used += reader.used
  }

  private mutating func readManifest() {
    guard files.file("pipeline.yaml") != nil else {
      faults.add("pipeline.yaml", 0, 0, "the manifest is missing; a package has one at its top")
      return
    }
    guard let root = document("pipeline.yaml"),
      let fields = Fields(
        root, "the manifest",
        known: [
          "quorate", "name", "version", "description", "engine", "vars", "defaults", "layers",
          "budget", "freezing_days", "drops",
        ], file: "pipeline.yaml", faults: faults)
    else { return }
    places.note("package", "pipeline.yaml", root)
    if fields["quorate"] == nil {
      fields.missing("quorate")
    } else if let format = fields.number("quorate", in: 0...UInt64(UInt32.max)), format != 1,
      let value = fields["quorate"]
    {
      fields.fault(value, "quorate: \(format) is a format this version does not know; it knows 1")
    }
    package.name = name(fields, "name", "package")
    package.version = fields.text("version", required: true) ?? ""
    if let value = fields["version"], !package.version.isEmpty,
      package.version.wholeMatch(of: #/[0-9]{1,9}(\.[0-9]{1,9}){0,2}([-+][0-9A-Za-z.-]{1,48})?/#)
        == nil
    {
      fields.fault(
        value, "version: is MAJOR.MINOR.PATCH or less of it, not \(package.version.prefix(64))",
        fix: "version: 1.0.0")
    }
    package.description = fields.description()
    readEngine(fields)
    readVariables(fields)
    readDefaults(fields)
    if let layers = fields.texts("layers"), layers != ["bronze", "silver", "gold"],
      let value = fields["layers"]
    {
      fields.fault(value, "layers: is [bronze, silver, gold]")
    }
    if let days = fields.number("freezing_days", in: 1...3_650) {
      package.freezingDays = UInt32(days)
    }
    package.drops = fields.texts("drops") ?? []
    if let value = fields["drops"] { places.note("package/drops", fields.file, value) }
  }

  private mutating func readEngine(_ fields: Fields) {
    guard let value = fields["engine"],
      let engine = Fields(
        value, "engine", known: ["sql", "rules"], file: fields.file, faults: faults)
    else { return }
    if let sql = engine.text("sql"), sql != "sqlite", let value = engine["sql"] {
      engine.fault(value, "sql: is sqlite, not \(sql)")
    }
    if let rules = engine.text("rules"), rules != Package.rules, let value = engine["rules"] {
      engine.fault(value, "rules: is \(Package.rules), not \(rules)")
    }
  }

  private mutating func readVariables(_ fields: Fields) {
    guard let value = fields["vars"],
      let vars = Fields(names: value, "vars", file: fields.file, faults: faults)
    else { return }
    for (key, value) in vars.entries {
      checkName(key, vars, value)
      guard case .scalar(let text, let style) = value.content,
        style != .plain || !YAMLValue.isNull(text)
      else {
        vars.fault(value, "\(key): is a text or a whole number, not \(value.kind)")
        continue
      }
      if style == .plain, let number = Int64(text), String(number) == text {
        package.vars.append(Variable(name: key, value: .integer(number)))
      } else {
        package.vars.append(Variable(name: key, value: .text(text)))
      }
    }
  }

  private mutating func readDefaults(_ fields: Fields) {
    if let value = fields["defaults"],
      let defaults = Fields(
        value, "defaults",
        known: [
          "idempotency_retention", "max_batch_rows", "max_batch_bytes", "max_string_bytes",
        ], file: fields.file, faults: faults)
    {
      if let span = defaults.duration("idempotency_retention") {
        package.defaults.idempotencyRetention = span
      }
      if let rows = defaults.number(
        "max_batch_rows", in: 1...UInt64(PackageLimits.batchRowsMax))
      {
        package.defaults.batchRowsMax = UInt32(rows)
      }
      if let bytes = defaults.bytes(
        "max_batch_bytes", in: 1_024...UInt64(Limits.callBodyBytesMax))
      {
        package.defaults.batchBytesMax = UInt32(bytes)
      }
      if let bytes = defaults.bytes(
        "max_string_bytes", in: 1...UInt64(PackageLimits.stringBytesMax))
      {
        package.defaults.stringBytesMax = UInt32(bytes)
      }
    }
    guard let value = fields["budget"],
      let budget = Fields(
        value, "budget",
        known: [
          "steps_per_update", "rows_written_per_update", "caller_budget", "public_budget",
        ], file: fields.file, faults: faults)
    else { return }
    if let steps = budget.number("steps_per_update", in: 1_000...Limits.stepsPerBlockMax) {
      package.budget.stepsPerUpdate = steps
    }
    if let rows = budget.number("rows_written_per_update", in: 1...100_000_000) {
      package.budget.rowsWrittenPerUpdate = rows
    }
    if let cycles = budget.cycles("caller_budget") { package.budget.callerDaily = cycles }
    if let cycles = budget.cycles("public_budget") { package.budget.publicDaily = cycles }
  }

  // MARK: - Files

  /// The root of a YAML file.
  mutating func document(_ path: String) -> YAMLValue? {
    used.append(path)
    guard let text = text(path) else { return nil }
    let before = faults.faults.count
    let root = StrictYAML.parse(text, file: path, faults: faults)
    if faults.faults.count > before { isUnreadable = true }
    if root == nil, faults.faults.count == before {
      faults.add(path, 0, 0, "the file holds nothing; fill or remove it")
    }
    return root
  }

  func text(_ path: String) -> String? {
    guard let file = files.file(path) else { return nil }
    guard let text = String(validating: file.bytes, as: UTF8.self) else {
      faults.add(path, 0, 0, "the file is not UTF-8; save it as UTF-8")
      return nil
    }
    return text
  }

  /// The SQL of a part: inline, a path that ends in `.sql`, or the file at `standard`.
  mutating func script(_ fields: Fields, standard: String?) -> SQLScript? {
    guard let value = fields["sql"] else {
      guard let standard else {
        fields.missing("sql")
        return nil
      }
      guard files.file(standard) != nil else {
        faults.add(
          fields.file, fields.line, fields.column,
          "\(fields.what) has no sql: and there is no \(standard)",
          fix: "write the SELECT into \(standard)")
        return nil
      }
      return script(file: standard)
    }
    guard let text = fields.text(of: value, "sql") else { return nil }
    guard text.hasSuffix(".sql"), !text.contains(where: \.isWhitespace) else {
      return inline(text, value, fields.file)
    }
    guard files.file(text) != nil else {
      fields.fault(
        value,
        "there is no file \(text) in the package"
          + Spelling.hint(text, among: files.files.map(\.path)))
      return nil
    }
    return script(file: text)
  }

  private mutating func script(file: String) -> SQLScript? {
    used.append(file)
    guard let text = text(file) else { return nil }
    guard text.utf8.count <= PackageLimits.sqlBytesMax else {
      faults.add(file, 0, 0, "the file is over \(PackageLimits.sqlBytesMax) bytes")
      return nil
    }
    return SQLScript(text, file: file)
  }

  /// SQL or an expression that stands in a YAML file.
  func inline(_ text: String, _ value: YAMLValue, _ file: String) -> SQLScript {
    var line = value.line
    var column = value.column
    if case .scalar(_, let style) = value.content {
      switch style {
      case .plain: break
      case .quoted: column += 1
      case .literal, .folded:
        line += 1
        column = 1
      }
    }
    return SQLScript(text, file: file, line: UInt32(max(line, 1)), column: UInt32(max(column, 1)))
  }

  // MARK: - Names

  func name(_ fields: Fields, _ key: String, _ what: String) -> String {
    guard let text = fields.text(key, required: true), let value = fields[key] else { return "" }
    checkName(text, fields, value)
    return text
  }

  func checkName(_ name: String, _ fields: Fields, _ value: YAMLValue) {
    guard !Naming.isName(name) else { return }
    fields.fault(value, Naming.rule(broken: name))
  }

  private func refuseTwins() {
    let parts =
      package.sources.map { ("source", $0.name) } + package.models.map { ("model", $0.name) }
      + package.procedures.map { ("procedure", $0.name) }
      + package.queries.map { ("query", $0.name) } + package.metrics.map { ("metric", $0.name) }
    for (index, part) in parts.enumerated()
    where parts[..<index].contains(where: { $0 == part }) {
      let place = places.place(of: "\(part.0):\(part.1)")
      faults.add(
        place.file, place.line, place.column, "two of a kind: \(part.0) \(part.1) stands twice")
    }
  }

  private func refuseUnused() {
    // A file that cannot be read may well name the others.
    guard !isUnreadable else { return }
    for file in files.files where !used.contains(file.path) {
      if file.path.hasSuffix(".sql") {
        faults.add(
          file.path, 0, 0, "no model, procedure or query reads this file",
          fix: "declare it in a .yaml file beside it, or remove it")
      } else if file.path.hasPrefix("tests/"), !file.path.hasSuffix(".yaml") {
        faults.add(
          file.path, 0, 0, "no step of a test reads this file",
          fix: "name it in a step with file: \(file.path), or remove it")
      } else if file.path.hasSuffix(".csv") {
        faults.add(
          file.path, 0, 0, "no model of kind seed reads this file",
          fix: "declare a model with kind: seed, file: \(file.path), or remove it")
      }
    }
  }
}

/// What names may be: they become names of tables, so they stay simple.
enum Naming {
  static func isName(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    guard let first = bytes.first, bytes.count <= 48, first >= 0x61, first <= 0x7a else {
      return false
    }
    return bytes.allSatisfy {
      ($0 >= 0x61 && $0 <= 0x7a) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5f
    }
  }

  static func rule(broken name: String) -> String {
    "\"\(name.prefix(64))\" is no name: 1 to 48 lower-case letters, digits and _, a letter first"
  }
}
