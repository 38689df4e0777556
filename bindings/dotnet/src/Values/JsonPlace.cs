using System;
using System.Collections.Generic;
using System.Text;
using System.Text.Json;

namespace SimpleIpc.Values
{
    /// <summary>Where in a body something is: <c>data</c>, <c>data.items[3].image</c>, <c>data["a b"]</c>.</summary>
    internal static class JsonPlace
    {
        /// <summary>A message that is sent or arrives, and what a handler fails with.</summary>
        internal const string Data = "data";

        /// <summary>What a handler answers.</summary>
        internal const string Answer = "answer";

        /// <summary>Longer places, such as those of circles, are shown to here.</summary>
        private const int Longest = 200;

        /// <summary>
        /// The place of the value that was to come next where the writing of a JSON text broke off: System.Text.Json itself
        /// tells a path without the indexes, and often none.
        /// </summary>
        internal static string AtTheEndOf(ReadOnlySpan<byte> begun, string what)
        {
            // A number is whole only when something stands behind it.
            byte[] text = new byte[begun.Length + 1];
            begun.CopyTo(text);
            text[begun.Length] = (byte)' ';
            var levels = new Stack<Level>();
            var reader = new Utf8JsonReader(text, false, new JsonReaderState(new JsonReaderOptions { MaxDepth = int.MaxValue }));
            try
            {
                while (reader.Read())
                {
                    switch (reader.TokenType)
                    {
                        case JsonTokenType.PropertyName:
                            levels.Peek().Name = reader.GetString();
                            break;
                        case JsonTokenType.StartObject:
                            levels.Push(new Level(inArray: false));
                            break;
                        case JsonTokenType.StartArray:
                            levels.Push(new Level(inArray: true));
                            break;
                        case JsonTokenType.EndObject:
                        case JsonTokenType.EndArray:
                            levels.Pop();
                            Pass(levels);
                            break;
                        default:
                            Pass(levels);
                            break;
                    }
                }
            }
            catch (Exception)
            {
                // What could be read until here is what can be told.
            }
            var place = new StringBuilder(what);
            Level[] outermostFirst = levels.ToArray();
            Array.Reverse(outermostFirst);
            foreach (Level level in outermostFirst)
            {
                if (level.InArray)
                {
                    place.Append('[').Append(level.Index).Append(']');
                }
                else if (level.Name != null)
                {
                    Append(place, level.Name);
                }
            }
            return Shown(place);
        }

        /// <summary>A path of System.Text.Json's, such as <c>$.items[3].image</c> or <c>$['a b']</c>.</summary>
        internal static string OfPath(string? path)
        {
            bool known = !string.IsNullOrEmpty(path) && path![0] == '$';
            return Shown(new StringBuilder(Data).Append(known ? path!.Substring(1) : ""));
        }

        /// <summary>A value is complete: the next one comes.</summary>
        private static void Pass(Stack<Level> levels)
        {
            if (levels.Count > 0)
            {
                levels.Peek().Index++;
                levels.Peek().Name = null;
            }
        }

        private static void Append(StringBuilder place, string name)
        {
            bool plain = name.Length > 0 && !char.IsDigit(name[0]);
            foreach (char character in name)
            {
                plain &= char.IsLetterOrDigit(character) || character == '_';
            }
            _ = plain ? place.Append('.').Append(name) : place.Append("[\"").Append(name).Append("\"]");
        }

        private static string Shown(StringBuilder place)
        {
            string text = place.ToString();
            return ErrorText.OneLine(text.Length > Longest ? text.Substring(0, Longest) + "…" : text);
        }

        private sealed class Level
        {
            internal Level(bool inArray) => InArray = inArray;

            internal bool InArray { get; }

            internal int Index { get; set; }

            internal string? Name { get; set; }
        }
    }
}
