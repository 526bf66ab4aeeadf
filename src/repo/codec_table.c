/* repo/codec_table.c — CPython's codecs, their names, and where glibc's tables differ.
 *
 * Names and aliases are those of `encodings` in CPython 3.11 and `windows_31j` of 3.13. The differences were found by
 * decoding each byte, each pair of bytes, each triple of EUC-JP after 0x8f and all of Unicode in GB18030 with
 * CPython 3.11 and with iconv of glibc 2.36. Codecs that combine characters, and those that glibc has under another
 * meaning, are left out.
 */
#include "repo/codec.h"

static const struct repo_codec_fix big5_fixes[] = {
    {0x80, 0x80, 0},          {0xa145, 0xa145, 0x2022}, {0xa14e, 0xa14e, 0xff64}, {0xa1c2, 0xa1c2, 0x203e},
    {0xa1e3, 0xa1e3, 0x223c}, {0xa1f2, 0xa1f2, 0x2641}, {0xa1f3, 0xa1f3, 0x2609}, {0xa241, 0xa241, 0xff0f},
    {0xa242, 0xa242, 0xff3c}, {0xa244, 0xa244, 0xa5},   {0xa246, 0xa247, 0xa2},   {0xa3e1, 0xa3e1, 0},
    {0xc6a1, 0xc6a1, 0x30fe}, {0xc6a2, 0xc6a3, 0x309d}, {0xc6a4, 0xc6a4, 0x3005}, {0xc6a5, 0xc6f7, 0x3041},
    {0xc6f8, 0xc6fe, 0x30a1}, {0xc740, 0xc77e, 0x30a8}, {0xc7a1, 0xc7b0, 0x30e7}, {0xc7b1, 0xc7b2, 0x414},
    {0xc7b3, 0xc7b3, 0x401},  {0xc7b4, 0xc7ba, 0x416},  {0xc7bb, 0xc7cd, 0x423},  {0xc7ce, 0xc7ce, 0x451},
    {0xc7cf, 0xc7e8, 0x436},  {0xc7e9, 0xc7f2, 0x2460}, {0xc7f3, 0xc7fc, 0x2474}, {0xc7fd, 0xc7fe, 0},
    {0xc840, 0xc87e, 0},      {0xc8a1, 0xc8fe, 0},      {0xf9d6, 0xf9fe, 0},      {0, 0, 0},
};

static const struct repo_codec_fix cp1026_fixes[] = {
    {0x9d, 0x9d, 0xb8},
    {0xbc, 0xbc, 0xaf},
    {0, 0, 0},
};

static const struct repo_codec_fix cp273_fixes[] = {
    {0xbc, 0xbc, 0x203e},
    {0, 0, 0},
};

static const struct repo_codec_fix cp424_fixes[] = {
    {0x78, 0x78, 0x2017},
    {0x8f, 0x8f, 0xb1},
    {0, 0, 0},
};

static const struct repo_codec_fix cp856_fixes[] = {
    {0x1a, 0x1a, 0x1a}, {0x1c, 0x1c, 0x1c}, {0x7f, 0x7f, 0x7f}, {0xee, 0xee, 0xaf}, {0xfa, 0xfa, 0xb7}, {0, 0, 0},
};

static const struct repo_codec_fix cp875_fixes[] = {
    {0x6a, 0x6a, 0x7c}, {0x74, 0x74, 0xa0}, {0xdc, 0xdc, 0x1a}, {0xdd, 0xdd, 0x387}, {0xe1, 0xe1, 0x1a},
    {0xec, 0xec, 0x1a}, {0xed, 0xed, 0x1a}, {0xfc, 0xfc, 0x1a}, {0xfd, 0xfd, 0x1a},  {0, 0, 0},
};

static const struct repo_codec_fix cp932_fixes[] = {
    {0x80, 0x80, 0x80},
    {0xa0, 0xa0, 0xf8f0},
    {0xfd, 0xff, 0xf8f1},
    {0, 0, 0},
};

static const struct repo_codec_fix cp950_fixes[] = {
    {0x80, 0x80, 0},          {0xc6a1, 0xc6a1, 0x30fe}, {0xc6a2, 0xc6a3, 0x309d}, {0xc6a4, 0xc6a4, 0x3005},
    {0xc6a5, 0xc6f7, 0x3041}, {0xc6f8, 0xc6fe, 0x30a1}, {0xc740, 0xc77e, 0x30a8}, {0xc7a1, 0xc7b0, 0x30e7},
    {0xc7b1, 0xc7b2, 0x414},  {0xc7b3, 0xc7b3, 0x401},  {0xc7b4, 0xc7ba, 0x416},  {0xc7bb, 0xc7cd, 0x423},
    {0xc7ce, 0xc7ce, 0x451},  {0xc7cf, 0xc7e8, 0x436},  {0xc7e9, 0xc7f2, 0x2460}, {0xc7f3, 0xc7fc, 0x2474},
    {0xc7fd, 0xc7fe, 0},      {0xc840, 0xc87e, 0},      {0xc8a1, 0xc8fe, 0},      {0, 0, 0},
};

static const struct repo_codec_fix euc_jp_fixes[] = {
    {0x80, 0x8d, 0},
    {0x90, 0x9f, 0},
    {0x8fa2b7, 0x8fa2b7, 0x7e},
    {0, 0, 0},
};

static const struct repo_codec_fix euc_kr_fixes[] = {
    {0x80, 0x9f, 0},
    {0xa2e8, 0xa2e8, 0},
    {0xa4d4, 0xa4d4, 0},
    {0, 0, 0},
};

static const struct repo_codec_fix gb18030_fixes[] = {
    {0xa6d9, 0xa6df, 0xe78d},
    {0xa6ec, 0xa6ed, 0xe794},
    {0xa6f3, 0xa6f3, 0xe796},
    {0xa8bc, 0xa8bc, 0xe7c7},
    {0xfe51, 0xfe53, 0xe816},
    {0xfe59, 0xfe59, 0xe81e},
    {0xfe61, 0xfe61, 0xe826},
    {0xfe66, 0xfe67, 0xe82b},
    {0xfe6c, 0xfe6d, 0xe831},
    {0xfe76, 0xfe76, 0xe83b},
    {0xfe7e, 0xfe7e, 0xe843},
    {0xfe90, 0xfe91, 0xe854},
    {0xfea0, 0xfea0, 0xe864},
    {0x8135f437, 0x8135f437, 0x1e3f},
    {0x82359037, 0x82359039, 0x9fb4},
    {0x82359130, 0x82359134, 0x9fb7},
    {0x84318236, 0x84318239, 0xfe10},
    {0x84318330, 0x84318335, 0xfe14},
    {0, 0, 0},
};

static const struct repo_codec_fix gbk_fixes[] = {
    {0x80, 0x80, 0},
    {0, 0, 0},
};

static const struct repo_codec_fix johab_fixes[] = {
    {0x5c, 0x5c, 0x5c},       {0x8441, 0x8441, 0x3000}, {0x8442, 0x8443, 0x3131}, {0x8445, 0x8445, 0x3134},
    {0x8448, 0x8448, 0x3137}, {0x8449, 0x8449, 0x3139}, {0x8451, 0x8451, 0x3141}, {0x8453, 0x8453, 0x3142},
    {0x8455, 0x8458, 0x3145}, {0x8459, 0x845d, 0x314a}, {0xd9e8, 0xd9e8, 0},      {0, 0, 0},
};

static const struct repo_codec_fix mac_cyrillic_fixes[] = {
    {0xff, 0xff, 0x20ac},
    {0, 0, 0},
};

static const struct repo_codec_fix mac_iceland_fixes[] = {
    {0xa0, 0xa0, 0xdd},   {0xc6, 0xc6, 0x2206}, {0xd0, 0xd1, 0x2013}, {0xd7, 0xd7, 0x25ca},
    {0xdb, 0xdb, 0x20ac}, {0xdc, 0xdc, 0xd0},   {0xdd, 0xdd, 0xf0},   {0xe0, 0xe0, 0xfd},
    {0xf0, 0xf0, 0xf8ff}, {0xf6, 0xf6, 0x2c6},  {0xf7, 0xf7, 0x2dc},  {0, 0, 0},
};

static const struct repo_codec_fix mac_roman_fixes[] = {
    {0xc6, 0xc6, 0x2206},
    {0xf0, 0xf0, 0xf8ff},
    {0, 0, 0},
};

static const struct repo_codec_fix shift_jis_fixes[] = {
    {0x5c, 0x5c, 0x5c},
    {0x7e, 0x7e, 0x7e},
    {0, 0, 0},
};

static const struct repo_codec_fix tis_620_fixes[] = {
    {0x80, 0x9f, 0x80},
    {0, 0, 0},
};

const struct repo_codec repo_codecs[] = {
    {"ascii", REPO_CODEC_ASCII, NULL, NULL,
     "646 ansi_x3.4_1968 ansi_x3.4_1986 ansi_x3_4_1968 cp367 csascii ibm367 iso646_us iso_646.irv_1991 iso_ir_6 us "
     "us_ascii"},
    {"base64_codec", REPO_CODEC_NOT_TEXT, NULL, NULL, "base64 base_64"},
    {"big5", REPO_CODEC_MULTI, "BIG5", big5_fixes, "big5_tw csbig5 x_mac_trad_chinese"},
    {"big5hkscs", REPO_CODEC_UNAVAILABLE, NULL, NULL, "big5_hkscs hkscs"},
    {"bz2_codec", REPO_CODEC_NOT_TEXT, NULL, NULL, "bz2"},
    {"charmap", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"cp037", REPO_CODEC_SINGLE, "CP037", NULL,
     "037 csibm037 ebcdic_cp_ca ebcdic_cp_nl ebcdic_cp_us ebcdic_cp_wt ibm037 ibm039"},
    {"cp1006", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"cp1026", REPO_CODEC_SINGLE, "CP1026", cp1026_fixes, "1026 csibm1026 ibm1026"},
    {"cp1125", REPO_CODEC_SINGLE, "CP1125", NULL, "1125 cp866u ibm1125 ruscii"},
    {"cp1140", REPO_CODEC_SINGLE, "CP1140", NULL, "1140 ibm1140"},
    {"cp1250", REPO_CODEC_SINGLE, "CP1250", NULL, "1250 windows_1250"},
    {"cp1251", REPO_CODEC_SINGLE, "CP1251", NULL, "1251 windows_1251"},
    {"cp1252", REPO_CODEC_SINGLE, "CP1252", NULL, "1252 windows_1252"},
    {"cp1253", REPO_CODEC_SINGLE, "CP1253", NULL, "1253 windows_1253"},
    {"cp1254", REPO_CODEC_SINGLE, "CP1254", NULL, "1254 windows_1254"},
    {"cp1255", REPO_CODEC_SINGLE, "CP1255", NULL, "1255 windows_1255"},
    {"cp1256", REPO_CODEC_SINGLE, "CP1256", NULL, "1256 windows_1256"},
    {"cp1257", REPO_CODEC_SINGLE, "CP1257", NULL, "1257 windows_1257"},
    {"cp1258", REPO_CODEC_SINGLE, "CP1258", NULL, "1258 windows_1258"},
    {"cp273", REPO_CODEC_SINGLE, "CP273", cp273_fixes, "273 csibm273 ibm273"},
    {"cp424", REPO_CODEC_SINGLE, "CP424", cp424_fixes, "424 csibm424 ebcdic_cp_he ibm424"},
    {"cp437", REPO_CODEC_SINGLE, "CP437", NULL, "437 cspc8codepage437 ibm437"},
    {"cp500", REPO_CODEC_SINGLE, "CP500", NULL, "500 csibm500 ebcdic_cp_be ebcdic_cp_ch ibm500"},
    {"cp720", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"cp737", REPO_CODEC_SINGLE, "CP737", NULL, ""},
    {"cp775", REPO_CODEC_SINGLE, "CP775", NULL, "775 cspc775baltic ibm775"},
    {"cp850", REPO_CODEC_SINGLE, "CP850", NULL, "850 cspc850multilingual ibm850"},
    {"cp852", REPO_CODEC_SINGLE, "CP852", NULL, "852 cspcp852 ibm852"},
    {"cp855", REPO_CODEC_SINGLE, "CP855", NULL, "855 csibm855 ibm855"},
    {"cp856", REPO_CODEC_SINGLE, "CP856", cp856_fixes, ""},
    {"cp857", REPO_CODEC_SINGLE, "CP857", NULL, "857 csibm857 ibm857"},
    {"cp858", REPO_CODEC_SINGLE, "CP858", NULL, "858 csibm858 ibm858"},
    {"cp860", REPO_CODEC_SINGLE, "CP860", NULL, "860 csibm860 ibm860"},
    {"cp861", REPO_CODEC_SINGLE, "CP861", NULL, "861 cp_is csibm861 ibm861"},
    {"cp862", REPO_CODEC_SINGLE, "CP862", NULL, "862 cspc862latinhebrew ibm862"},
    {"cp863", REPO_CODEC_SINGLE, "CP863", NULL, "863 csibm863 ibm863"},
    {"cp864", REPO_CODEC_SINGLE, "CP864", NULL, "864 csibm864 ibm864"},
    {"cp865", REPO_CODEC_SINGLE, "CP865", NULL, "865 csibm865 ibm865"},
    {"cp866", REPO_CODEC_SINGLE, "CP866", NULL, "866 csibm866 ibm866"},
    {"cp869", REPO_CODEC_SINGLE, "CP869", NULL, "869 cp_gr csibm869 ibm869"},
    {"cp874", REPO_CODEC_SINGLE, "CP874", NULL, ""},
    {"cp875", REPO_CODEC_SINGLE, "CP875", cp875_fixes, ""},
    {"cp932", REPO_CODEC_MULTI, "CP932", cp932_fixes, "932 ms932 ms_kanji mskanji windows_31j"},
    {"cp949", REPO_CODEC_MULTI, "CP949", NULL, "949 ms949 uhc"},
    {"cp950", REPO_CODEC_MULTI, "CP950", cp950_fixes, "950 ms950"},
    {"euc_jis_2004", REPO_CODEC_UNAVAILABLE, NULL, NULL, "euc_jis2004 eucjis2004 jisx0213"},
    {"euc_jisx0213", REPO_CODEC_UNAVAILABLE, NULL, NULL, "eucjisx0213"},
    {"euc_jp", REPO_CODEC_MULTI, "EUC-JP", euc_jp_fixes, "eucjp u_jis ujis"},
    {"euc_kr", REPO_CODEC_MULTI, "EUC-KR", euc_kr_fixes,
     "euckr korean ks_c_5601 ks_c_5601_1987 ks_x_1001 ksc5601 ksx1001 x_mac_korean"},
    {"gb18030", REPO_CODEC_MULTI, "GB18030", gb18030_fixes, "gb18030_2000"},
    {"gb2312", REPO_CODEC_MULTI, "EUC-CN", NULL,
     "chinese csiso58gb231280 euc_cn euccn eucgb2312_cn gb2312_1980 gb2312_80 iso_ir_58 x_mac_simp_chinese"},
    {"gbk", REPO_CODEC_MULTI, "GBK", gbk_fixes, "936 cp936 ms936"},
    {"hex_codec", REPO_CODEC_NOT_TEXT, NULL, NULL, "hex"},
    {"hp_roman8", REPO_CODEC_SINGLE, "HP-ROMAN8", NULL, "cp1051 ibm1051 r8 roman8"},
    {"hz", REPO_CODEC_UNAVAILABLE, NULL, NULL, "hz_gb hz_gb_2312 hzgb"},
    {"idna", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"iso2022_jp", REPO_CODEC_STATEFUL, "ISO-2022-JP", NULL, "csiso2022jp iso2022jp iso_2022_jp"},
    {"iso2022_jp_1", REPO_CODEC_UNAVAILABLE, NULL, NULL, "iso2022jp_1 iso_2022_jp_1"},
    {"iso2022_jp_2", REPO_CODEC_UNAVAILABLE, NULL, NULL, "iso2022jp_2 iso_2022_jp_2"},
    {"iso2022_jp_2004", REPO_CODEC_UNAVAILABLE, NULL, NULL, "iso2022jp_2004 iso_2022_jp_2004"},
    {"iso2022_jp_3", REPO_CODEC_UNAVAILABLE, NULL, NULL, "iso2022jp_3 iso_2022_jp_3"},
    {"iso2022_jp_ext", REPO_CODEC_UNAVAILABLE, NULL, NULL, "iso2022jp_ext iso_2022_jp_ext"},
    {"iso2022_kr", REPO_CODEC_STATEFUL, "ISO-2022-KR", NULL, "csiso2022kr iso2022kr iso_2022_kr"},
    {"iso8859_10", REPO_CODEC_SINGLE, "ISO-8859-10", NULL,
     "csisolatin6 iso_8859_10 iso_8859_10_1992 iso_ir_157 l6 latin6"},
    {"iso8859_11", REPO_CODEC_SINGLE, "ISO-8859-11", NULL, "iso_8859_11 iso_8859_11_2001 thai"},
    {"iso8859_13", REPO_CODEC_SINGLE, "ISO-8859-13", NULL, "iso_8859_13 l7 latin7"},
    {"iso8859_14", REPO_CODEC_SINGLE, "ISO-8859-14", NULL,
     "iso_8859_14 iso_8859_14_1998 iso_celtic iso_ir_199 l8 latin8"},
    {"iso8859_15", REPO_CODEC_SINGLE, "ISO-8859-15", NULL, "iso_8859_15 l9 latin9"},
    {"iso8859_16", REPO_CODEC_SINGLE, "ISO-8859-16", NULL, "iso_8859_16 iso_8859_16_2001 iso_ir_226 l10 latin10"},
    {"iso8859_2", REPO_CODEC_SINGLE, "ISO-8859-2", NULL, "csisolatin2 iso_8859_2 iso_8859_2_1987 iso_ir_101 l2 latin2"},
    {"iso8859_3", REPO_CODEC_SINGLE, "ISO-8859-3", NULL, "csisolatin3 iso_8859_3 iso_8859_3_1988 iso_ir_109 l3 latin3"},
    {"iso8859_4", REPO_CODEC_SINGLE, "ISO-8859-4", NULL, "csisolatin4 iso_8859_4 iso_8859_4_1988 iso_ir_110 l4 latin4"},
    {"iso8859_5", REPO_CODEC_SINGLE, "ISO-8859-5", NULL,
     "csisolatincyrillic cyrillic iso_8859_5 iso_8859_5_1988 iso_ir_144"},
    {"iso8859_6", REPO_CODEC_SINGLE, "ISO-8859-6", NULL,
     "arabic asmo_708 csisolatinarabic ecma_114 iso_8859_6 iso_8859_6_1987 iso_ir_127"},
    {"iso8859_7", REPO_CODEC_SINGLE, "ISO-8859-7", NULL,
     "csisolatingreek ecma_118 elot_928 greek greek8 iso_8859_7 iso_8859_7_1987 iso_ir_126"},
    {"iso8859_8", REPO_CODEC_SINGLE, "ISO-8859-8", NULL,
     "csisolatinhebrew hebrew iso_8859_8 iso_8859_8_1988 iso_ir_138"},
    {"iso8859_9", REPO_CODEC_SINGLE, "ISO-8859-9", NULL, "csisolatin5 iso_8859_9 iso_8859_9_1989 iso_ir_148 l5 latin5"},
    {"johab", REPO_CODEC_MULTI, "JOHAB", johab_fixes, "cp1361 ms1361"},
    {"koi8_r", REPO_CODEC_SINGLE, "KOI8-R", NULL, "cskoi8r"},
    {"koi8_t", REPO_CODEC_SINGLE, "KOI8-T", NULL, ""},
    {"koi8_u", REPO_CODEC_SINGLE, "KOI8-U", NULL, ""},
    {"kz1048", REPO_CODEC_SINGLE, "RK1048", NULL, "kz_1048 rk1048 strk1048_2002"},
    {"latin_1", REPO_CODEC_LATIN1, NULL, NULL,
     "8859 cp819 csisolatin1 ibm819 iso8859 iso8859_1 iso_8859_1 iso_8859_1_1987 iso_ir_100 l1 latin latin1"},
    {"mac_arabic", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"mac_croatian", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"mac_cyrillic", REPO_CODEC_SINGLE, "MAC-CYRILLIC", mac_cyrillic_fixes, "maccyrillic"},
    {"mac_farsi", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"mac_greek", REPO_CODEC_UNAVAILABLE, NULL, NULL, "macgreek"},
    {"mac_iceland", REPO_CODEC_SINGLE, "MAC-IS", mac_iceland_fixes, "maciceland"},
    {"mac_latin2", REPO_CODEC_SINGLE, "MAC-CENTRALEUROPE", NULL, "mac_centeuro maccentraleurope maclatin2"},
    {"mac_roman", REPO_CODEC_SINGLE, "MACINTOSH", mac_roman_fixes, "macintosh macroman"},
    {"mac_romanian", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"mac_turkish", REPO_CODEC_UNAVAILABLE, NULL, NULL, "macturkish"},
    {"palmos", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"ptcp154", REPO_CODEC_SINGLE, "PT154", NULL, "cp154 csptcp154 cyrillic_asian pt154"},
    {"punycode", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"quopri_codec", REPO_CODEC_NOT_TEXT, NULL, NULL, "quopri quoted_printable quotedprintable"},
    {"raw_unicode_escape", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"rot_13", REPO_CODEC_NOT_TEXT, NULL, NULL, "rot13"},
    {"shift_jis", REPO_CODEC_MULTI, "SJIS", shift_jis_fixes, "csshiftjis s_jis shiftjis sjis x_mac_japanese"},
    {"shift_jis_2004", REPO_CODEC_UNAVAILABLE, NULL, NULL, "s_jis_2004 shiftjis2004 sjis_2004"},
    {"shift_jisx0213", REPO_CODEC_UNAVAILABLE, NULL, NULL, "s_jisx0213 shiftjisx0213 sjisx0213"},
    {"tis_620", REPO_CODEC_SINGLE, "TIS-620", tis_620_fixes,
     "iso_ir_166 tis620 tis_620_0 tis_620_2529_0 tis_620_2529_1"},
    {"undefined", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"unicode_escape", REPO_CODEC_UNAVAILABLE, NULL, NULL, ""},
    {"utf_16", REPO_CODEC_STATEFUL, "UTF-16LE", NULL, "u16 utf16"},
    {"utf_16_be", REPO_CODEC_STATEFUL, "UTF-16BE", NULL, "unicodebigunmarked utf_16be"},
    {"utf_16_le", REPO_CODEC_STATEFUL, "UTF-16LE", NULL, "unicodelittleunmarked utf_16le"},
    {"utf_32", REPO_CODEC_STATEFUL, "UTF-32LE", NULL, "u32 utf32"},
    {"utf_32_be", REPO_CODEC_STATEFUL, "UTF-32BE", NULL, "utf_32be"},
    {"utf_32_le", REPO_CODEC_STATEFUL, "UTF-32LE", NULL, "utf_32le"},
    {"utf_7", REPO_CODEC_UTF7, NULL, NULL, "u7 unicode_1_1_utf_7 utf7"},
    {"utf_8", REPO_CODEC_UTF8, NULL, NULL, "cp65001 u8 utf utf8 utf8_ucs2 utf8_ucs4 utf_8_sig"},
    {"uu_codec", REPO_CODEC_NOT_TEXT, NULL, NULL, "uu"},
    {"zlib_codec", REPO_CODEC_NOT_TEXT, NULL, NULL, "zip zlib"},
    {NULL, REPO_CODEC_UNAVAILABLE, NULL, NULL, NULL},
};
