import SQL

/// Bytes by seed: SplitMix64 (Steele, Lea, Flood 2014).
struct Dice: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
  mutating func roll(_ count: Int) -> Int { Int(next() % UInt64(max(1, count))) }
  mutating func chance(_ percent: Int) -> Bool { roll(100) < percent }
  mutating func pick<Element>(_ list: [Element]) -> Element { list[roll(list.count)] }
}

/// Writes random SELECTs over tables, right and wrong ones: the checker picks.
///
/// - Bound: `depth` queries inside one another, three sources a FROM.
struct SelectWriter {
  struct Table: Sendable {
    /// As FROM takes it: `{{ ref('slv_transactions') }}`.
    let spoken: String
    let shape: TableShape
  }

  private enum Kind: Equatable {
    case number, text
    /// Numbers of one type that says what they count.
    case counted(SQLType.Unit)

    init(_ type: SQLType) {
      self = type.unit.map { .counted($0) } ?? (type.family == .text ? .text : .number)
    }

    var isDecimal: Bool {
      if case .counted(.parts) = self { true } else { false }
    }
  }
  private struct Column {
    let name: String
    let kind: Kind
  }
  private struct Scope {
    var columns: [Column] = []
    /// What orders every two rows, as far as the writer knows.
    var key: [String] = []
    /// Columns of JSON.
    var documents: [String] = []

    mutating func join(_ other: Scope) {
      columns += other.columns
      key += other.key
      documents += other.documents
    }
  }

  var dice: Dice
  let tables: [Table]
  private var depth = 0
  private var aliases = 0

  init(seed: UInt64, tables: [Table]) {
    dice = Dice(seed)
    self.tables = tables
  }

  mutating func statement() -> String {
    aliases = 0
    switch dice.roll(12) {
    case 0: return common()
    case 1: return compound()
    case 2: return recursion()
    default: return select().text
    }
  }

  // MARK: Statements

  /// With the names and kinds of its results.
  private mutating func select(_ width: Int? = nil) -> (text: String, columns: [Column]) {
    depth += 1
    defer { depth -= 1 }
    let (from, scope) = sources()
    let filter = dice.chance(55) ? " where " + condition(scope, depth: 2) : ""
    switch dice.roll(10) {
    case 0..<3: return grouped(from + filter, scope, width)
    case 3..<5: return windowed(from + filter, scope, width)
    default: return plain(from + filter, scope, width)
    }
  }

  private mutating func plain(
    _ from: String, _ scope: Scope, _ width: Int?
  ) -> (text: String, columns: [Column]) {
    let count = width ?? 1 + dice.roll(4)
    let items = (0..<count).map { _ in item(scope) }
    let distinct = dice.chance(12) ? "distinct " : ""
    let text = "select \(distinct)\(list(items)) \(from)" + order(scope, items.count)
    return (text, columns(items))
  }

  private mutating func grouped(
    _ from: String, _ scope: Scope, _ width: Int?
  ) -> (text: String, columns: [Column]) {
    let by = (0..<dice.roll(3)).map { _ in dice.pick(scope.columns) }
    var items = by.map { ($0.name, $0.kind) }
    let count = max(width ?? 0, by.count + 1 + dice.roll(2))
    while items.count < count { items.append(aggregate(scope)) }
    if let width { items = Array(items.suffix(width)) }
    var text = "select \(list(items)) \(from)"
    if !by.isEmpty { text += " group by " + by.map(\.name).joined(separator: ", ") }
    if dice.chance(25) { text += " having \(aggregate(scope).0) is not null" }
    let ordered = Scope(columns: by, key: by.map(\.name))
    if !by.isEmpty || dice.chance(30) { text += order(ordered, items.count) }
    return (text, columns(items))
  }

  private mutating func windowed(
    _ from: String, _ scope: Scope, _ width: Int?
  ) -> (text: String, columns: [Column]) {
    var items = (0..<dice.roll(3)).map { _ in item(scope) }
    items.append(window(scope))
    while items.count < width ?? 0 { items.append(item(scope)) }
    if let width { items = Array(items.suffix(width)) }
    return ("select \(list(items)) \(from)" + order(scope, items.count), columns(items))
  }

  private mutating func compound() -> String {
    let width = 1 + dice.roll(2)
    let word = dice.pick(["union", "union all", "except", "intersect"])
    let first = arm((0..<width).map { _ in nil })
    let kinds = first.kinds.map { dice.chance(90) ? $0 : nil }
    let text = "\(first.text) \(word) \(arm(kinds).text)"
    guard dice.chance(60) else { return text }
    let terms = (1...width).map(String.init).joined(separator: ", ")
    return text + " order by \(terms)" + (dice.chance(60) ? " limit \(1 + dice.roll(7))" : "")
  }

  /// An arm has no ORDER BY of its own. Its results are of these kinds, nil for any.
  private mutating func arm(_ kinds: [Kind?]) -> (text: String, kinds: [Kind]) {
    depth += 1
    defer { depth -= 1 }
    let (from, scope) = sources()
    let items = kinds.map { kind -> (String, Kind) in
      guard let kind else {
        let column = dice.pick(scope.columns)
        return (column.name, column.kind)
      }
      return (expression(kind, scope, depth: 0), kind)
    }
    return ("select \(list(items)) \(from)", items.map(\.1))
  }

  private mutating func common() -> String {
    let inner = select(2 + dice.roll(2))
    let names = inner.columns.indices.map { "m\($0)" }
    let scope = Scope(
      columns: zip(names, inner.columns).map { Column(name: "t.\($0)", kind: $1.kind) },
      key: names.map { "t.\($0)" })
    let items = (0..<1 + dice.roll(3)).map { _ in item(scope) }
    let body = "with made(\(names.joined(separator: ", "))) as (\(inner.text)) "
    let filter = dice.chance(40) ? " where " + condition(scope, depth: 1) : ""
    return body + "select \(list(items)) from made t\(filter)" + order(scope, items.count)
  }

  private mutating func recursion() -> String {
    let (from, scope) = sources()
    let number = expression(.number, scope, depth: 1)
    return "with recursive n(i) as (select 1 union all select i + \(1 + dice.roll(3)) from n "
      + "where i < \(2 + dice.roll(9))) select i as c0, (select max(\(number)) \(from)) as c1 "
      + "from n order by i limit \(1 + dice.roll(9))"
  }

  private func list(_ items: [(String, Kind)]) -> String {
    items.enumerated().map { "\($0.element.0) as c\($0.offset)" }.joined(separator: ", ")
  }

  private func columns(_ items: [(String, Kind)]) -> [Column] {
    items.enumerated().map { Column(name: "c\($0.offset)", kind: $0.element.1) }
  }

  // MARK: FROM

  private mutating func sources() -> (String, Scope) {
    var scope = Scope()
    var text = "from " + source(&scope)
    let more = dice.chance(35) ? 1 + dice.roll(depth > 1 ? 1 : 2) : 0
    for _ in 0..<more {
      let before = scope.columns
      var other = Scope()
      let right = source(&other)
      let join = dice.pick(["join", "left join", "join"])
      if dice.chance(12), let shared = shared(before, other.columns) {
        text += " \(join) \(right) using (\(shared))"
        scope.columns = (before + other.columns).filter { !$0.name.hasSuffix(".\(shared)") }
        scope.key = (scope.key + other.key).filter { !$0.hasSuffix(".\(shared)") } + [shared]
        scope.columns.append(Column(name: shared, kind: .text))
        scope.documents += other.documents
        continue
      }
      let fitting = before.filter { left in other.columns.contains { $0.kind == left.kind } }
      let left = dice.pick(fitting.isEmpty || dice.chance(5) ? before : fitting)
      let same = other.columns.filter { $0.kind == left.kind }
      let partner = same.isEmpty ? dice.pick(other.columns) : dice.pick(same)
      text += " \(join) \(right) on "
      text +=
        same.isEmpty && dice.chance(80)
        ? "cast(\(left.name) as text) = cast(\(partner.name) as text)"
        : "\(left.name) = \(partner.name)"
      scope.join(other)
    }
    if dice.chance(6) { text += elements(&scope) }
    return (text, scope)
  }

  /// A text column that both sides have, without its table.
  private mutating func shared(_ left: [Column], _ right: [Column]) -> String? {
    func names(_ columns: [Column]) -> [String] {
      columns.filter { $0.kind == .text }.map { String($0.name.split(separator: ".").last ?? "") }
    }
    let both = names(left).filter(names(right).contains)
    return both.isEmpty ? nil : dice.pick(both)
  }

  /// The elements of a list made of two values of the row, or of its JSON.
  private mutating func elements(_ scope: inout Scope) -> String {
    aliases += 1
    let list =
      !scope.documents.isEmpty && dice.chance(70)
      ? dice.pick(scope.documents)
      : "json_array(\(dice.pick(scope.columns).name), \(dice.pick(scope.columns).name))"
    scope.columns += ["fullkey", "type"].map { Column(name: "j\(aliases).\($0)", kind: .text) }
    scope.key.append("j\(aliases).fullkey")
    return ", \(dice.pick(["json_each", "json_tree"]))(\(list)) j\(aliases)"
  }

  private mutating func source(_ scope: inout Scope) -> String {
    aliases += 1
    let alias = "a\(aliases)"
    if depth < 3, dice.chance(12) {
      let inner = select(2)
      for column in inner.columns {
        scope.columns.append(Column(name: "\(alias).\(column.name)", kind: column.kind))
        scope.key.append("\(alias).\(column.name)")
      }
      return "(\(inner.text)) \(alias)"
    }
    let table = dice.pick(tables)
    for column in table.shape.columns {
      switch column.type.family {
      case .integer:
        scope.columns.append(Column(name: "\(alias).\(column.name)", kind: Kind(column.type)))
      case .text where column.type == .json:
        scope.documents.append("\(alias).\(column.name)")
      case .text:
        scope.columns.append(Column(name: "\(alias).\(column.name)", kind: .text))
      default: continue
      }
    }
    scope.key += (table.shape.keys.first ?? []).map { "\(alias).\($0)" }
    return "\(table.spoken) \(alias)"
  }

  // MARK: ORDER BY, LIMIT and windows

  private mutating func order(_ scope: Scope, _ count: Int) -> String {
    guard dice.chance(60), !scope.columns.isEmpty else {
      return dice.chance(5) ? " limit 3" : ""
    }
    var text = " order by " + terms(scope, whole: dice.chance(75))
    if dice.chance(15) { text += ", \(1 + dice.roll(count))" }
    if dice.chance(60) { text += " limit \(dice.roll(9))" }
    if text.contains(" limit "), dice.chance(30) { text += " offset \(dice.roll(4))" }
    return text
  }

  private mutating func terms(_ scope: Scope, whole: Bool) -> String {
    var terms = (0..<1 + dice.roll(2)).map { _ in
      dice.pick(scope.columns).name + dice.pick(["", " desc", "", " desc nulls last", " asc"])
    }
    if whole { terms += scope.key.map { $0 + dice.pick(["", " desc"]) } }
    return terms.joined(separator: ", ")
  }

  private mutating func window(_ scope: Scope) -> (String, Kind) {
    let column = dice.pick(scope.columns.filter { $0.kind != .text } + scope.columns)
    let chosen = dice.pick(scope.columns)
    let (number, any) = (column.name, chosen.name)
    let total = column.kind.isDecimal ? column.kind : Kind.number
    let partition = dice.chance(60) ? "partition by \(dice.pick(scope.columns).name) " : ""
    let ordered = "\(partition)order by \(terms(scope, whole: dice.chance(75)))"
    switch dice.roll(10) {
    case 8: return ("nth_value(\(any), \(1 + dice.roll(3))) over (\(ordered))", chosen.kind)
    case 9:
      let call = dice.pick([("sum", total), ("count", .number), ("max", column.kind)])
      return ("\(call.0)(\(number)) over (\(ordered) \(frame()))", call.1)
    case 0: return ("row_number() over (\(ordered))", .number)
    case 1: return ("\(dice.pick(["rank", "dense_rank"]))() over (\(ordered))", .number)
    case 2:
      let call = dice.pick(["lag", "lead"])
      return ("\(call)(\(any), \(1 + dice.roll(2))) over (\(ordered))", chosen.kind)
    case 3:
      let call = dice.pick(["first_value", "last_value"])
      return ("\(call)(\(any)) over (\(ordered))", chosen.kind)
    case 4: return ("ntile(\(2 + dice.roll(3))) over (\(ordered))", .number)
    case 5:
      return ("sum(\(number)) over (\(partition)order by \(number) range 2 preceding)", total)
    case 6:
      let frame = dice.pick(["rows 2 preceding", "groups 1 preceding", "rows unbounded preceding"])
      let call = dice.pick([
        ("sum", total), ("count", .number), ("min", column.kind), ("max", column.kind),
      ])
      return ("\(call.0)(\(number)) over (\(ordered) \(frame))", call.1)
    default: return ("count(*) over (\(partition.isEmpty ? "" : partition))", .number)
    }
  }

  private mutating func frame() -> String {
    let unit = dice.pick(["rows", "groups", "range"])
    let start = dice.pick(["unbounded preceding", "1 preceding", "current row", "2 following"])
    let end = dice.pick(["unbounded following", "1 following", "current row", "1 preceding"])
    let rest = dice.pick(["", "", " exclude current row", " exclude ties", " exclude group"])
    return "\(unit) between \(start) and \(end)\(rest)"
  }

  private mutating func aggregate(_ scope: Scope) -> (String, Kind) {
    let any = dice.pick(scope.columns)
    switch dice.roll(10) {
    case 8:
      let order = dice.pick(scope.columns).name
      return ("list_sorted(\(any.name), \(order), \(dice.pick(["', '", "''", "'é'"])))", .text)
    case 9: return ("json_list_sorted(\(any.name), \(dice.pick(scope.columns).name))", .text)
    case 0: return ("count(*)", .number)
    case 1: return ("count(distinct \(any.name))", .number)
    case 2, 3: return ("\(dice.pick(["min", "max"]))(\(any.name))", any.kind)
    case 4: return ("list_sorted(\(any.name), \(dice.pick(scope.columns).name))", .text)
    case 5:
      return (
        "count(*) filter (where \(condition(scope, depth: 1)))", .number
      )
    default:
      let decimals = scope.columns.filter(\.kind.isDecimal)
      guard !decimals.isEmpty, dice.chance(50) else {
        return ("sum(\(expression(.number, scope, depth: 1)))", .number)
      }
      let column = dice.pick(decimals)
      return ("sum(\(column.name))", column.kind)
    }
  }

  // MARK: Expressions

  /// Of values that may stand together.
  private mutating func kind(_ scope: Scope) -> Kind {
    dice.chance(50) ? .text : dice.pick([.number] + scope.columns.map(\.kind))
  }

  private mutating func item(_ scope: Scope) -> (String, Kind) {
    if dice.chance(55) {
      let column = dice.pick(scope.columns)
      return (column.name, column.kind)
    }
    let kind = kind(scope)
    return (expression(kind, scope, depth: 2), kind)
  }

  private mutating func expression(_ kind: Kind, _ scope: Scope, depth: Int) -> String {
    let own = scope.columns.filter { $0.kind == kind }
    if depth == 0 || dice.chance(40) {
      if !own.isEmpty, dice.chance(80) { return dice.pick(own).name }
      let others = scope.columns.filter { ![.number, .text].contains($0.kind) }
      guard kind == .number, !others.isEmpty, dice.chance(60) else { return literal(kind) }
      return "cast(\(dice.pick(others).name) as integer)"
    }
    switch kind {
    case .number: return number(scope, depth - 1)
    case .text: return text(scope, depth - 1)
    case .counted(let unit): return counted(unit, scope, depth - 1)
    }
  }

  private mutating func literal(_ kind: Kind) -> String {
    kind == .text
      ? dice.pick(["'a'", "'B'", "'b'", "''", "'é'", "'k1'"])
      : String(dice.pick([-1, 0, 1, 2, 100, 20_001]))
  }

  /// A value that counts what its type says.
  private mutating func counted(_ unit: SQLType.Unit, _ scope: Scope, _ depth: Int) -> String {
    let kind = Kind.counted(unit)
    let a = expression(kind, scope, depth: depth)
    let b = expression(kind, scope, depth: depth)
    switch dice.roll(7) {
    case 0: return "(\(a) \(dice.pick(["+", "-"])) \(literal(.number)))"
    case 1: return "coalesce(\(a), \(dice.pick([b, literal(kind)])))"
    case 2: return "nullif(\(a), \(dice.pick([b, literal(kind)])))"
    case 3: return "case when \(condition(scope, depth: depth)) then \(a) else \(b) end"
    case 4: return "\(dice.pick(["min", "max"]))(\(a), \(b))"
    default: break
    }
    switch unit {
    case .parts:
      return dice.pick(["(\(a) + \(b))", "mul_exact(\(a), 3)", "mul_div(\(a), 3, 2)", "abs(\(a))"])
    case .days:
      let times = scope.columns.filter { $0.kind == .counted(.milliseconds) }
      if !times.isEmpty, dice.chance(50) { return "date_of(\(dice.pick(times).name))" }
      return dice.pick(["add_months(\(a), -1)", "date_trunc('month', \(a))"])
    case .milliseconds: return "(\(a) - 86400000)"
    }
  }

  /// A value out of a row's JSON; nil where it has none, and mostly else.
  private mutating func read(_ kind: Kind, _ scope: Scope) -> String? {
    guard !scope.documents.isEmpty, dice.chance(30) else { return nil }
    let document = dice.pick(scope.documents)
    let path = dice.pick(["$.a", "$.b", "$.b[0]", "$[1]", "$.b.c"])
    guard kind == .text else {
      return dice.pick([
        "json_array_length(\(document))", "json_array_length(\(document), '\(path)')",
        "case json_type(\(document), '\(path)') when 'integer' then "
          + "cast(json_extract(\(document), '\(path)') as integer) end",
        "case json_type(\(document), '\(path)') when 'integer' then "
          + "cast(\(document) ->> '\(path)' as integer) end", "length(\(document))",
      ])
    }
    return dice.pick([
      "json_type(\(document), '\(path)')", "cast(json_extract(\(document), '\(path)') as text)",
      "cast(\(document) ->> '\(path)' as text)", "cast(\(document) -> '\(path)' as text)",
      "cast(\(document) as text)",
    ])
  }

  private mutating func number(_ scope: Scope, _ depth: Int) -> String {
    if let value = read(.number, scope) { return value }
    let a = expression(.number, scope, depth: depth)
    switch dice.roll(15) {
    case 12: return "\(dice.pick(["year", "month", "iso_week"]))(\(a))"
    case 13:
      return dice.pick([
        "json_array_length(json_array(\(a), 1))", "length(json_object('k', \(a)))",
        "cast(json_extract(json_array(\(a)), '$[0]') as integer)",
      ])
    case 14:
      return dice.pick([
        "mul_exact(\(a), 3)", "nullif(\(a), \(literal(.number)))", "add_months(\(a), -1)",
        "date_trunc('month', \(a))", "consensus_random('\(dice.roll(3))')",
      ])
    case 0...2:
      let operation = dice.pick(["+", "-", "*", "/", "%"])
      return "(\(a) \(operation) \(expression(.number, scope, depth: depth)))"
    case 3: return "abs(\(a))"
    case 4: return "length(\(expression(.text, scope, depth: depth)))"
    case 5: return "coalesce(\(a), \(literal(.number)))"
    case 6: return "case when \(condition(scope, depth: depth)) then \(a) else 0 end"
    case 7: return "mul_div(\(a), 3, \(dice.pick(["2", "7", "0"])))"
    case 8: return "instr(\(expression(.text, scope, depth: depth)), 'a')"
    case 9: return "add_exact(\(a), \(literal(.number)))"
    case 10: return scalar(scope)
    default: return "cast(cast(\(a) as text) as integer)"
    }
  }

  private mutating func text(_ scope: Scope, _ depth: Int) -> String {
    if let value = read(.text, scope) { return value }
    let a = expression(.text, scope, depth: depth)
    switch dice.roll(10) {
    case 7: return "\(dice.pick(["lower", "trim", "ltrim", "hex", "typeof"]))(\(a))"
    case 8: return "json_type(json_array(\(a), \(literal(.number))), '$[\(dice.roll(3))]')"
    case 9:
      return dice.pick([
        "nullif(\(a), \(literal(.text)))", "rtrim(\(a), 'aé')", "char(97, 233)",
        "json_extract(json_object('k', \(a)), '$.k')",
      ])
    case 0: return "upper(\(a))"
    case 1: return "substr(\(a), 1, \(1 + dice.roll(3)))"
    case 2: return "(\(a) || \(expression(.text, scope, depth: depth)))"
    case 3: return "coalesce(\(a), \(literal(.text)))"
    case 4: return "replace(\(a), 'a', 'xy')"
    case 5: return "iif(\(condition(scope, depth: depth)), \(a), \(literal(.text)))"
    default: return "cast(\(expression(.number, scope, depth: depth)) as text)"
    }
  }

  /// A SELECT as a value: one row, or one that an order picks.
  private mutating func scalar(_ scope: Scope) -> String {
    guard depth < 3, !tables.isEmpty else { return "1" }
    depth += 1
    defer { depth -= 1 }
    let (from, inner) = sources()
    let link = correlated(inner, scope)
    let value = expression(.number, inner, depth: 1)
    guard dice.chance(60) else {
      return "(select \(value) \(from)\(link) order by \(terms(inner, whole: true)) limit 1)"
    }
    return "(select \(dice.pick(["max", "min", "sum"]))(\(value)) \(from)\(link))"
  }

  private mutating func correlated(_ inner: Scope, _ scope: Scope) -> String {
    guard dice.chance(60), !scope.columns.isEmpty else { return "" }
    let column = dice.pick(inner.columns)
    let partners = scope.columns.filter { $0.kind == column.kind }
    return partners.isEmpty ? "" : " where \(column.name) = \(dice.pick(partners).name)"
  }

  private mutating func condition(_ scope: Scope, depth: Int) -> String {
    let kind = kind(scope)
    let a = expression(kind, scope, depth: max(0, depth - 1))
    switch dice.roll(depth > 0 ? 9 : 5) {
    case 0...2:
      let operation = dice.pick(["=", "<>", "<", "<=", ">", ">="])
      return "\(a) \(operation) \(expression(kind, scope, depth: max(0, depth - 1)))"
    case 3: return "\(a) is \(dice.pick(["", "not "]))null"
    case 4: return "\(a) in (\(literal(kind)), \(literal(kind)))"
    case 5: return "\(a) between \(literal(kind)) and \(literal(kind))"
    case 6:
      let word = dice.pick(["and", "or"])
      return "(\(condition(scope, depth: depth - 1)) \(word) \(condition(scope, depth: depth - 1)))"
    case 7: return "not (\(condition(scope, depth: depth - 1)))"
    default: return exists(scope)
    }
  }

  private mutating func exists(_ scope: Scope) -> String {
    guard depth < 3 else { return "1 = 1" }
    depth += 1
    defer { depth -= 1 }
    let (from, inner) = sources()
    return "exists (select 1 \(from)\(correlated(inner, scope)))"
  }
}
