/// Lines, from 1, that give a connection a hook anywhere but where it is opened and closed.
///
/// A statement takes other steps with a hook than without (`delete from t`: 16 with a preupdate
/// hook, 5 without, measured on SQLite 3.40.1), so what is metered has its hooks from the start.
package func strayHooks(in lines: [String]) -> [Int] {
  let hook =
    #/\bsqlite3_(?:[a-z]+_hook|progress_handler|set_authorizer|trace|trace_v2|profile)\(/#
  return lines.indices.filter { index in
    lines[index].contains(hook) && !opens(lines, around: index)
  }.map { $0 + 1 }
}

/// Whether the function that holds a line is an initializer, or its counterpart.
private func opens(_ lines: [String], around index: Int) -> Bool {
  let declaration = #/^ *(?:[a-z]+(?:\([a-z]+\))? )*(func|init|deinit)\b/#
  let indent = lines[index].prefix { $0 == " " }.count
  for line in lines[..<index].reversed() where line.prefix(while: { $0 == " " }).count < indent {
    if let found = line.firstMatch(of: declaration) { return found.output.1 != "func" }
  }
  return false
}
