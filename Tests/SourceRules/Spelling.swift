/// Lines, from 1, that hold texts of users for equal, or look into them, as Swift does: two
/// spellings of one letter are the same to it, and a quote with a mark behind it is no quote.
///
/// It knows the texts by the names that they go by, and what is done with quotes.
package func spelledAlike(in lines: [String]) -> [Int] {
  let ways: [Regex<Substring>] = [
    #/(?:\.print\(\)|\.sql\.text|\.check\.text|\.matches|[dD]efaultText) (?:==|!=) (?!nil)/#,
    #/(?:==|!=) [A-Za-z.?]+(?:\.print\(\)|\.sql\.text|\.check\.text)/#,
    #/(?:replacing\(|separator: )"['&<]"/#,
    #/\[String: PreparedStatement\]/#,
  ]
  return lines.indices.filter { index in
    let code = lines[index].split(
      separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
    return ways.contains { code.contains($0) }
  }.map { $0 + 1 }
}
