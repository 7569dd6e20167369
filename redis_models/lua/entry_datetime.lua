-- Moments, in UTC; those without a time zone apart. After entry.lua.
local function days(year, month)
  if month ~= 2 then return (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31 end
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0) and 29 or 28
end
-- Give the date behind or before another one; from the years 1 and 9999 it may be in the year 0, or in 10000.
local function shifted(year, month, day, by)
  day = day + by
  if day == 0 then
    month = month - 1
    if month == 0 then year, month = year - 1, 12 end
    day = days(year, month)
  elseif day > days(year, month) then
    month, day = month + 1, 1
    if month == 13 then year, month = year + 1, 1 end
  end
  local years = year < 10000 and format('%04d', year) or ':000'  -- the byte behind the digit 9
  return format('%s-%02d-%02d', years, month, day)
end
-- Encode one of another time zone, which is so many minutes ahead of UTC; the last byte of its seconds is at ``last``.
local function in_utc(raw, ahead, last)
  local year, month, day = tonumber(sub(raw, 2, 5)), tonumber(sub(raw, 7, 8)), tonumber(sub(raw, 10, 11))
  local hour = tonumber(sub(raw, 13, 14))
  if year == 0 or month == 0 or month > 12 or day == 0 or day > days(year, month) or hour > 23 then return end
  local minutes, date = hour * 60 + tonumber(sub(raw, 16, 17)) - ahead, nil
  if minutes < 0 then
    minutes, date = minutes + 1440, shifted(year, month, day, -1)
  elseif minutes >= 1440 then
    minutes, date = minutes - 1440, shifted(year, month, day, 1)
  else
    date = sub(raw, 2, 11)
  end
  local minute = minutes % 60
  hour = (minutes - minute) / 60
  local hour_ones, minute_ones = hour % 10, minute % 10
  local time = char(
    84, 48 + (hour - hour_ones) / 10, 48 + hour_ones, 58, 48 + (minute - minute_ones) / 10, 48 + minute_ones
  )
  return 't' .. date .. time .. sub(raw, 18, last)
end
local function encode_datetime(raw, is_optional)
  if not find(raw, '^"%d%d%d%d%-[01]%d%-[0-3]%dT[0-2]%d:[0-5]%d:[0-5]%d') then
    return encode_none(raw, is_optional)
  end
  local last = 20
  if byte(raw, 21) == 46 then
    if not find(raw, '^%d%d%d%d%d%d', 22) or sub(raw, 22, 27) == '000000' then return end
    last = 27
  end
  local zone = sub(raw, last + 1)
  if zone == '+00:00"' or zone == 'Z"' then return 't' .. sub(raw, 2, last) end
  if zone == '"' then return 'n' .. sub(raw, 2, last) end
  local sign, hours, minutes = match(zone, '^([-+])([0-2]%d):([0-5]%d)"$')
  if not sign or tonumber(hours) > 23 then return end
  local ahead = hours * 60 + minutes
  return in_utc(raw, sign == '+' and ahead or -ahead, last)
end
