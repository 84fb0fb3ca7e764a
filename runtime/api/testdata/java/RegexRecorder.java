import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Prints what java.util.regex makes of patterns and texts, one JSON object per line. */
public class RegexRecorder {
    static final int CI = Pattern.CASE_INSENSITIVE;

    public static void main(String[] arguments) {
        // What routers and filters of topics have.
        check("(\\w+?)_(\\w+?)", "$2_$1", "ab_cd", "ab_cd_ef", "_");
        check("a|ab", "x", "ab", "a", "b");
        check("([^.]+)\\.([^.]+)\\.([^.]+)", "$3", "srv.inv.orders", "srv.inv", "a.b.c.d");
        check("(.*)", "pre-$1", "orders", "", "a\nb");
        check(".*", "x", "orders", "");
        check("", "x", "", "a");
        check("(.*?)", "[$1]", "abc");
        check("(.*)\\.(.*)$", "$2", "a.b.c", "a.b\n");
        check("^(.+)$", "$1", "a", "a\n", "a\r\n", "a\u0085", "a\nb");
        check("srv", "x", "srv.inv", "srv");
        check("(?<a>.)(.*)", "${a}_$2\\$$12", "xyz");
        check("((?!x).)*", "y", "abc", "abxc");
        check("shop\\.(?!hidden).*|a", "$0!", "shop.b", "shop.hidden", "a", "ab");
        check("(a+)(b*)", "$2-$1", "aab", "aa", "b");
        check("(a|ab)(c|bcd)(d*)", "$1,$2,$3", "abcd", "acd");
        check("(a)?b", "[$1]", "ab", "b");
        check("(?:(a)|b)*", "[$1]", "ab", "ba", "bb");
        check("(a*)*", "[$1]", "aaa", "", "b");
        check("(a*)+", "[$1]", "aaa", "b");
        check("(|a)+", "[$1]", "aaa", "");
        check("(a|b)*?c", "$1", "abac");
        check("(a++)b", "$1", "aab", "aa");
        check("a++ab", "x", "aaab");
        check("a*+", "x", "aaa");
        check("a?+a", "x", "a", "aa");
        check("(?>a|ab)c", "x", "ac", "abc");
        check("(?>a+)(.)", "$1", "aab", "aaa");
        check("a{2}", "x", "aa", "aaa");
        check("a{2,}", "x", "a", "aaaa");
        check("a{2,3}?", "x", "aaa", "aaaa");
        check("(a{2}){3}", "$1", "aaaaaa", "aaaa");
        check("a{2}{3}", "x", "aaaaaa", "aaaa");
        check("a+{2}", "x", "a", "aa");
        check("a{0}", "x", "", "a");
        check("x{2}+y", "z", "xxy");
        // Groups and references.
        check("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)", "$11-$1", "abcdefghijk");
        check("(a)", "$12", "a");
        check("(a)", "$2", "a");
        check("(a)", "$", "a");
        check("(a)", "$x", "a");
        check("(a)", "x\\", "a");
        check("(a)", "\\\\\\$1\\x", "a");
        check("(a)", "${b}", "a");
        check("(a)", "${", "a");
        check("(a)", "${}", "a");
        check("(a)", "${1}", "a");
        check("(?<x1>a)(?<Y>b)", "${Y}${x1}$0", "ab");
        check("(?<a>x)(?<a>y)", "", "xy");
        check("(?<1a>x)", "", "x");
        check("(?<a_b>x)", "", "x");
        check("(?P<a>b)", "", "b");
        check("(a)\\1", "x", "aa", "ab");
        check("(a)(b)?\\2", "x", "abb", "a");
        check("\\2(a)", "x", "a");
        check("(a)\\2", "x", "a", "aa");
        check("(a)\\11", "x", "aa1", "aa");
        check("(?<n>a|b)-\\k<n>", "x", "a-a", "a-b");
        check("\\k<n>(?<n>a)", "x", "a");
        check("(?i)(a)\\1", "x", "aA", "ab");
        // Letters, digits, blanks are those of ASCII.
        check("\\w+", "x", "abc_9", "\u00e9", "\u0661", "a-b");
        check("\\W", "x", "\u00e9", "a", "-");
        check("\\d+", "x", "09", "\u0661");
        check("\\D", "x", "\u0661", "1");
        check("\\s", "x", " ", "\u00a0", "\u000b", "\u2028", "\u0085");
        check("\\S", "x", "\u00a0", " ");
        check("\\h", "x", " ", "\u00a0", "\u180e", "\n");
        check("\\H", "x", "a", "\t");
        check("\\v", "x", "\n", "\u0085", "\u2029", " ");
        check("\\V", "x", "a", "\r");
        check("\\R", "x", "\r\n", "\n", "\u0085", "a", "\r");
        check("\\R\\n", "x", "\r\n", "\r\n\n");
        check("(?U)\\w+", "x", "\u00e9", "\u0661", "-");
        check("(?U)\\d", "x", "\u0661", "1");
        check("(?U)\\s", "x", "\u00a0", "\u0085");
        check("(?U)\\p{Lower}", "x", "\u00e9", "E");
        check("\\ba\\b", "x", "a");
        check(".*\\bcd", "x", "ab cd", "ab\u00e9cd", "ab-cd", "ab_cd", "abe\u0301cd");
        check(".*\\Bcd", "x", "ab cd", "ab\u00e9cd");
        check("e\\b\\u0301.*", "x", "e\u0301", "e\u0301a");
        // Case: of ASCII unless (?u).
        check("(?i)straSSe", "x", "STRASSE", "straße");
        check("(?i)\u00e9k", "x", "\u00e9K", "\u00c9k", "\u00e9\u212a");
        check("(?iu)\u00e9k", "x", "\u00c9K", "\u00e9\u212a");
        check("(?i)[a-c\u00e9]+", "x", "ABC", "\u00c9", "d");
        check("(?i)[^a]", "x", "A", "b");
        check("(?i)[Z-a]", "x", "z", "A", "^", "b");
        check("(?iu)[\u00e0-\u00ff]", "x", "\u00c9");
        check("(?i)\\p{Lower}", "x", "A", "1");
        check("(?i)\\p{Lu}", "x", "a", "\u00e9", "1");
        check("(?i)\\p{javaLowerCase}", "x", "A", "\u00c9");
        check("(?i:a)b", "x", "Ab", "AB");
        check("((?i)a)b", "x", "Ab", "AB");
        check("a|(?i)b|c", "x", "A", "B", "C");
        check("(?-i)a", "x", "A");
        flags(CI, "inv\\.ORDERS", "x", "INV.orders", "inv.order");
        flags(CI, "(?-i)a", "x", "A", "a");
        flags(CI, "gr\u00f6\u00dfe", "x", "GR\u00f6\u00dfE", "GR\u00d6\u00dfE");
        flags(CI, "\\Qa.b\\E", "x", "A.B", "axb");
        flags(CI | Pattern.DOTALL, "drop .*", "x", "DROP\nx", "DROP a\nb");
        // Ends and line terminators.
        check("a.b", "x", "a\nb", "a\rb", "a\u0085b", "a\u2028b", "a\tb");
        check("(?s)a.b", "x", "a\nb", "a\u2028b");
        check("(?d)a.b", "x", "a\nb", "a\rb", "a\u0085b");
        check("a$", "x", "a", "a\n", "ab");
        check("a$\\n", "x", "a\n");
        check("a$\\s*", "x", "a\n", "a\r\n", "a\n\n", "a\u2028");
        check("a$(?s).*", "x", "a\r\n", "a\n\r");
        check("a\\r$\\n", "x", "a\r\n");
        check("(?d)a$\\s*", "x", "a\n", "a\r\n");
        check("a\\Z\\s*", "x", "a\n", "a\n\n", "a");
        check("a\\z\\s*", "x", "a\n", "a");
        check("(?m)a$\\s^b", "x", "a\nb", "a\rb");
        check("(?m)a$\\s+^b", "x", "a\r\nb", "a\n\nb");
        check("(?m)^", "x", "", "a");
        check("(?m)a\\n^", "x", "a\n");
        check("(?md)a$\\s^b", "x", "a\nb", "a\rb");
        check("a\\s^b", "x", "a\nb");
        check("\\Aa\\z", "x", "a", "ba");
        check("\\Ga", "x", "a", "ba");
        check("$", "x", "a\n", "a\r\n", "");
        check("^*a", "x", "a");
        // Classes.
        check("[a-z&&[^b]]+", "x", "ac", "ab");
        check("[a-z&&[def]&&e]", "x", "e", "d");
        check("[a-z&&def]+", "x", "de", "a");
        check("[a-c&&[b-d]e]", "x", "b", "e", "d");
        check("[^a-c&&b-d]", "x", "a", "b", "d", "e");
        check("[a-d[m-p]]+", "x", "am", "e");
        check("[^a[b]]", "x", "a", "b", "c");
        check("[^[a]b]", "x", "a", "b", "c");
        check("[a&&]", "x", "a", "&");
        check("[&&a]", "x", "a", "&");
        check("[&&&&a]", "x", "a");
        check("[a&&&b]", "x", "a", "b", "&");
        check("[a&b]", "x", "a", "b", "&");
        check("[\\w&&[^_]]+", "x", "a9", "_");
        check("[^\\w\\s]", "x", "-", " ", "a", "\u00e9");
        check("[\\W\\D]", "x", "a", "1", "-");
        check("[\\P{L}\\P{Nd}]", "x", "a", "1", "-");
        check("[\\h\\v]", "x", "\u00a0", "\u0085", "a");
        check("[]a]+", "x", "]a", "b");
        check("[^]a]", "x", "]", "b");
        check("[a^b]+", "x", "a^b");
        check("[a-]+", "x", "a-", "b");
        check("[-a]+", "x", "-a");
        check("[a-b-c]+", "x", "a-c", "b");
        check("[a-[c]]+", "x", "a-c", "b");
        check("[\\d-z]+", "x", "1-z", "a");
        check("[--a]+", "x", "-/a");
        check("[\\x{41}-\\x{5a}]", "x", "B", "b");
        check("[\\Qa-c]\\E]+", "x", "a-c]", "b");
        check("[.$^*+?{}()|]+", "x", ".$^*+?{}()|", "a");
        check("[[:alpha:]]+", "x", "alpha", ":", "b");
        check("[\\]\\[\\\\]+", "x", "][\\");
        check("[ #]", "x", " ", "#");
        check("(?x)[ a #b ]", "x", " ", "a");
        check("(?x) a b #c\n c", "x", "abc", "a b c");
        check("(?x)a\\ b", "x", "a b");
        check("(?x)a +", "x", "aa");
        check("(?x)(?-x: )", "x", " ");
        check("[\\ud83d\\ude00]", "x", "\ud83d\ude00");
        check("\\ud83d\\ude00", "x", "\ud83d\ude00");
        check(".", "x", "\ud83d\ude00");
        // Properties.
        check("\\p{Alpha}+", "x", "aZ", "\u00e9");
        check("\\p{IsAlphabetic}+", "x", "a\u00e9", "1");
        check("\\p{L}+", "x", "a\u00e9\u4e2d", "1");
        check("\\pL\\pN", "x", "a1", "1a");
        check("\\PL", "x", "1", "a");
        check("\\P{Alnum}", "x", "-", "a");
        check("\\p{Punct}+", "x", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "a", "\u2014");
        check("\\p{IsPunctuation}", "x", "\u2014", "$", "a");
        check("\\p{Graph}\\p{Print}", "x", "a ", " a");
        check("\\p{Blank}\\p{Cntrl}\\p{XDigit}\\p{Space}", "x", " \u0001f\n", "a");
        check("\\p{ASCII}", "x", "\u007f", "\u0080");
        check("\\p{javaLowerCase}", "x", "a", "\u00e9", "\u00aa", "A");
        check("\\p{javaUpperCase}", "x", "A", "a");
        check("\\p{javaWhitespace}", "x", " ", "\u00a0", "\u2003", "\u001c");
        check("\\p{javaSpaceChar}", "x", "\u00a0", "\t");
        check("\\p{javaLetterOrDigit}", "x", "\u0661", "_");
        check("\\p{javaISOControl}", "x", "\u0085", "a");
        check("\\p{IsLatin}", "x", "\u00e9", "\u03b1");
        check("\\p{IsGreek}", "x", "\u03b1", "a");
        check("\\p{script=Cyrillic}", "x", "\u0436", "a");
        check("\\p{gc=Lu}", "x", "A", "a");
        check("\\p{LC}\\p{LD}\\p{L1}\\p{all}", "x", "a1\u00ff\u4e2d", "1aaa");
        check("\\p{IsWhite_Space}", "x", "\u00a0", "a");
        check("\\p{IsHex_Digit}", "x", "\uff21", "g");
        check("\\p{IsHan}", "x", "\u4e2d", "a");
        check("\\p{alpha}", "x", "a");
        check("\\p{Foo}", "x", "a");
        check("\\p{IsFoo}", "x", "a");
        check("\\p{}", "x", "a");
        check("\\p{L&}", "x", "a");
        // Escapes and quotes.
        check("\\Q(a.b)\\E+", "x", "(a.b)))", "(axb)");
        check("\\Qa\\E\\Qb\\E", "x", "ab");
        check("\\Qa", "x", "a");
        check("a\\E", "x", "a");
        check("\\\\Qa", "x", "\\Qa");
        check("\\0101\\x42\\x{43}\\u0044", "x", "ABCD");
        check("\\0477", "x", "'7");
        check("\\t\\n\\r\\f\\a\\e", "x", "\t\n\r\f\u0007\u001b");
        check("\\cA\\c[", "x", "\u0001\u001b");
        check("\\_\\-\\#\\ \\/\\.", "x", "_-# /.");
        check("a]b}c", "x", "a]b}c");
        check("a-b,c:d/e f", "x", "a-b,c:d/e f");
        // Not Java's.
        for (String wrong : List.of("a**", "a{,5}", "{", "x{", "a{1", "a{1,x}", "a{ 2}", "a{2,1}", "a{99999999999}", "a{2}*", "\\y", "\\i", "\\K",
                "\\C", "[z-a]", "[a-\\d]", "[a--]", "[a", "[", "[]", "[^]", "(a", "a)", "+a", "*a", "?", "a|*", "\\", "\\x4", "\\x{110000}", "\\x{4",
                "\\u00", "\\0", "\\08", "\\c", "[\\1]", "[\\b]", "[\\R]", "\\k<b>", "\\k", "(?z)a", "(?i", "(?", "(?#c)a", "(?i)*a", "(?<", "(?<a", "\\p",
                "\\p{L", "\\p{isAlphabetic}", "\\p{javaFoo}", "\\p{IsEmoji}", "[[a]", "[a&&", "[&&")) {
            check(wrong, "x", "a");
        }
    }

    static void check(String pattern, String replacement, String... texts) {
        flags(0, pattern, replacement, texts);
    }

    static void flags(int flags, String pattern, String replacement, String... texts) {
        StringBuilder out = new StringBuilder("{\"pattern\":" + json(pattern) + ",\"flags\":" + flags + ",\"replacement\":" + json(replacement));
        Pattern compiled;
        try {
            compiled = Pattern.compile(pattern, flags);
        } catch (IllegalArgumentException error) {
            System.out.println(out + ",\"refused\":" + json(error.getMessage().split("\\R")[0]) + "}");
            return;
        }
        out.append(",\"texts\":[");
        String separator = "";
        for (String text : texts) {
            out.append(separator).append("{\"text\":").append(json(text));
            out.append(",\"matches\":").append(compiled.matcher(text).matches());
            Matcher matcher = compiled.matcher(text);
            out.append(",\"found\":").append(matcher.find() ? json(matcher.group()) : "null");
            try {
                String replaced = compiled.matcher(text).replaceFirst(replacement);
                out.append(",\"replaced\":").append(json(replaced));
            } catch (IllegalArgumentException | IndexOutOfBoundsException error) {
                out.append(",\"error\":").append(json(error.getMessage()));
            }
            out.append("}");
            separator = ",";
        }
        System.out.println(out + "]}");
    }

    static String json(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char character : text.toCharArray()) {
            if (character == '"' || character == '\\') {
                out.append('\\').append(character);
            } else if (character < 0x20 || character > 0x7e) {
                out.append(String.format("\\u%04x", (int) character));
            } else {
                out.append(character);
            }
        }
        return out.append('"').toString();
    }
}
