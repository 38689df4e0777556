using System;
using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
#if NET8_0_OR_GREATER
using System.Diagnostics.CodeAnalysis;
#endif

namespace SimpleIpc.Values
{
    /// <summary>Which types lose something, or all, on their way through System.Text.Json, which says nothing about it.</summary>
    internal static class JsonKinds
    {
        private const BindingFlags Public = BindingFlags.Public | BindingFlags.Instance;

        /// <summary>Good in this process only, or not made to be a value.</summary>
        private static readonly Type[] OfThisProcess =
        {
            typeof(IntPtr), typeof(UIntPtr), typeof(Delegate), typeof(MemberInfo), typeof(Assembly), typeof(Module), typeof(Stream),
            typeof(SafeHandle), typeof(WaitHandle), typeof(CancellationToken), typeof(CancellationTokenSource), typeof(Thread),
            typeof(Regex), typeof(DBNull),
        };

        /// <summary>What System.Text.Json has converters for although nothing of it can be set.</summary>
        private static readonly HashSet<string> Simple = new HashSet<string>
        {
            "System.String", "System.Decimal", "System.DateTime", "System.DateTimeOffset", "System.TimeSpan", "System.DateOnly",
            "System.TimeOnly", "System.Guid", "System.Uri", "System.Version", "System.Object", "System.Half", "System.Int128",
            "System.UInt128", "System.Numerics.BigInteger", "System.Collections.Generic.KeyValuePair`2",
        };

        /// <summary>Why a type is refused in either direction; null if it is not.</summary>
        internal static string? Refusal(Type type)
        {
            string name = Named(type);
            if (IsGeneric(type, "System.ValueTuple") || type.FullName == "System.ValueTuple")
            {
                return $"{name} inside JSON, where a tuple's items get lost; use an array, or a class with properties";
            }
            if (type == typeof(byte[]) || type == typeof(Memory<byte>) || type == typeof(ReadOnlyMemory<byte>) || type == typeof(ArraySegment<byte>))
            {
                return $"{name} inside JSON; send bytes as a message of their own, or as text such as base64";
            }
            if (typeof(IAttached).IsAssignableFrom(type))
            {
                return $"{name} inside JSON, which has no bytes; send it as a message of its own";
            }
            if (type == typeof(IpcMessage))
            {
                return $"{name} inside JSON; send it as a message of its own, or the value that it stands for";
            }
            if (typeof(Task).IsAssignableFrom(type) || type == typeof(ValueTask) || IsGeneric(type, "System.Threading.Tasks.ValueTask"))
            {
                return $"{name} inside JSON; await it, and send its result";
            }
            if (typeof(Exception).IsAssignableFrom(type))
            {
                return $"{name} inside JSON; send its message, or throw it in a handler";
            }
            if (type == typeof(StringBuilder))
            {
                return $"{name} inside JSON, where its text gets lost; send its ToString()";
            }
            if (IsGeneric(type, "System.Collections.Generic.Stack") || IsGeneric(type, "System.Collections.Concurrent.ConcurrentStack"))
            {
                return $"{name} inside JSON, from which it comes back upside down; use a list";
            }
            if (type.IsPointer || OfThisProcess.Any(refused => refused.IsAssignableFrom(type)))
            {
                return $"{name} cannot become JSON; send what the other side needs of it";
            }
            FieldInfo? field = IsSimple(type) || HasRulesOfItsOwn(type) ? null : LostField(type);
            return field is null
                ? null
                : $"{name} has the public field {field.Name}, which JSON leaves out; make it a property, or mark it [NonSerialized]";
        }

        /// <summary>Why a type is refused where JSON is read; null if it is not.</summary>
        internal static string? ReadingRefusal(Type type)
        {
            if (IsSimple(type) || HasRulesOfItsOwn(type) || type.IsInterface || type.IsAbstract || !IsLeftAsMade(type))
            {
                return null;
            }
            return $"{Named(type)} has nothing that can be set, and would be left as it is made; give its properties set or init";
        }

        /// <summary>Whether a type can have no values of its own, and is no collection.</summary>
        internal static bool IsOnlyDeclared(Type type) =>
            (type.IsInterface || type.IsAbstract) && !typeof(IEnumerable).IsAssignableFrom(type) && !HasRulesOfItsOwn(type)
            && type.Namespace?.StartsWith("System.Text.Json", StringComparison.Ordinal) != true;

        /// <summary>Whether attributes say how a type becomes JSON.</summary>
        internal static bool HasRulesOfItsOwn(Type type) =>
            type.GetCustomAttributes(true).Any(attribute =>
                attribute is JsonConverterAttribute || IsNamed(attribute, "JsonPolymorphicAttribute") || IsNamed(attribute, "JsonDerivedTypeAttribute"));

        internal static string Named(Type type)
        {
            if (!type.IsGenericType)
            {
                return type.FullName ?? type.Name;
            }
            string name = type.GetGenericTypeDefinition().FullName ?? type.Name;
            int at = name.IndexOf('`');
            return $"{(at < 0 ? name : name.Substring(0, at))}<{string.Join(", ", type.GetGenericArguments().Select(Named))}>";
        }

        private static bool IsGeneric(Type type, string name) =>
            type.IsGenericType && type.GetGenericTypeDefinition().FullName!.StartsWith(name + "`", StringComparison.Ordinal);

        /// <summary>What is a JSON string, number, boolean or array, or left to System.Text.Json's own converters.</summary>
        private static bool IsSimple(Type type) =>
            type.IsPrimitive || type.IsEnum || type.IsArray || Nullable.GetUnderlyingType(type) != null
            || typeof(IEnumerable).IsAssignableFrom(type)
            || type.Namespace?.StartsWith("System.Text.Json", StringComparison.Ordinal) == true
            || Simple.Contains((type.IsGenericType ? type.GetGenericTypeDefinition() : type).FullName ?? "");

        // The newer attributes are not in the oldest framework that this is compiled for, and may be there when it runs.
        private static bool IsNamed(object attribute, string name) =>
            attribute.GetType().FullName == "System.Text.Json.Serialization." + name;

#if NET8_0_OR_GREATER
        [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "Only where the program has kept reflection.")]
#endif
        private static FieldInfo? LostField(Type type) =>
            type.GetFields(Public).FirstOrDefault(field =>
                !field.IsDefined(typeof(NonSerializedAttribute), true)
                && !field.GetCustomAttributes(true).Any(attribute => attribute is JsonIgnoreAttribute || IsNamed(attribute, "JsonIncludeAttribute")));

        /// <summary>Whether it has properties, and neither a setter nor a constructor takes any.</summary>
#if NET8_0_OR_GREATER
        [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "Only where the program has kept reflection.")]
#endif
        private static bool IsLeftAsMade(Type type)
        {
            PropertyInfo[] properties = type.GetProperties(Public).Where(property => property.GetIndexParameters().Length == 0).ToArray();
            if (properties.Length == 0 || properties.Any(IsSet))
            {
                return false;
            }
            ConstructorInfo[] constructors = type.GetConstructors(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance);
            if (constructors.Any(constructor => constructor.GetCustomAttributes(true).Any(it => IsNamed(it, "JsonConstructorAttribute"))))
            {
                return false;
            }
            // A class with one constructor is made with it; for a struct it has to be marked.
            return type.IsValueType || constructors.Any(constructor => constructor.IsPublic && constructor.GetParameters().Length == 0);
        }

        private static bool IsSet(PropertyInfo property) =>
            property.SetMethod?.IsPublic == true
            || property.GetCustomAttributes(true).Any(attribute => IsNamed(attribute, "JsonIncludeAttribute"));
    }
}
