/** The stand-in's answers to the suggested questions: short, correct, and worth reading. */
const ANSWERS: Readonly<Record<string, string>> = {
  'What is water?':
    'Water is something you meet every single day! You can drink it, splash in it and wash your hands with it. It has no colour and no taste. When it gets very cold it turns into hard ice, and when it gets very hot it floats away as steam, but it is water all the time. Every plant, every animal and every person needs it to live.',
  'Why do cats purr?':
    'Cats purr by making tiny muscles in their throat tremble very fast, about twenty-five times in a second, while they breathe in and out. Most of the time it means "I am happy and I feel safe." Sometimes a cat also purrs when it is hurt or afraid, a bit like you humming to calm yourself down. So look at the whole cat: soft eyes and a loose tail mean it is a happy purr.',
  'Why does it rain?':
    'The sun warms the sea, the lakes and even the puddles, and a little of the water rises into the air as vapour that you cannot see. High up it is cold, so the vapour turns into tiny drops, and millions of them together are a cloud. The drops bump into each other and grow. When they are too heavy to float, they fall, and that is rain. Then it all begins again: we call this the water cycle.',
  'Where does the sun go at night?':
    'The sun does not go anywhere at all, it is we who turn! Our Earth is a huge ball that spins around once every day. When your side of the ball looks at the sun, you have day. When it has turned away, you have night, and children on the other side are just eating their breakfast. Try it with a ball and a torch in a dark room.',
  'How do plants grow?':
    'A plant begins as a seed, which is like a lunch box with a tiny baby plant inside. When the soil is wet and warm, the seed opens and a root pushes down to drink. Then a green stem climbs up towards the light. The leaves catch sunlight and use it to make food out of air and water. With that food the plant builds new leaves, flowers and, at the end, new seeds.',
  'Why do we sleep?':
    'While you sleep, your body is busy. Your muscles rest and mend, and you grow a little, because the growing hormone works best at night. Your brain tidies up: it keeps what you learned today and throws away what you do not need. That is why a good sleep helps more before a test than one more hour of reading. Children of your age need about ten hours of it.',
  'Why is the sky blue?':
    'Sunlight looks white, but all the colours of the rainbow are mixed in it. When it comes through the air, it hits the tiny bits that air is made of, and they throw the light about in all directions. Blue light is thrown about much more than red light, so blue comes to your eyes from every part of the sky. In the evening the light has a longer way through the air, the blue is lost on the way, and the red and orange are left for a sunset.',
  'How do birds fly?':
    'A bird has three tricks. It is light, because its bones are hollow and its feathers weigh almost nothing. It is strong, because the muscles of its chest are huge for its size. And its wings are curved: when they cut through the air, they push the air down, and the air pushes the bird up. We call this push "lift", and aeroplanes fly with the same trick.',
  'What is the solar system?':
    'The solar system is the family of the sun. The sun sits in the middle and holds everything with its gravity. Eight planets travel around it: Mercury, Venus, our Earth and Mars are small and made of rock, Jupiter and Saturn are giants of gas, Uranus and Neptune are cold giants of ice and gas. Moons travel around many of the planets, and there are asteroids and comets too. Light from the sun needs about eight minutes to reach us.',
  'What is a rainbow?':
    'A rainbow is sunlight taken apart into its colours. When the sun shines while it rains, the light enters each raindrop, bends, bounces off the back of the drop and bends again on its way out. Each colour bends a little differently, so they come out side by side: red, orange, yellow, green, blue, indigo, violet. You only see it with the sun behind you and the rain in front of you. Everyone sees a rainbow of their own!',
  'What is gravity?':
    'Gravity is a pull between all things that have mass: the more mass, and the closer, the stronger the pull. The Earth is so big that its pull is easy to feel: it brings a thrown ball back and keeps your feet on the ground. The same pull keeps the Moon going around the Earth and the Earth going around the sun. Newton found the rule: the force is proportional to both masses and falls with the square of the distance. Without air, a feather and a hammer fall equally fast, and astronauts have tried it on the Moon.',
  'How does the heart work?':
    'Your heart is a muscle the size of your fist, and it is really two pumps side by side. The right pump sends blood to the lungs, where it picks up oxygen. The left, stronger pump sends that fresh blood through the whole body. Four valves work like doors that open only one way, and the "lub-dub" you hear is these doors closing. It beats about a hundred thousand times a day, without ever taking a break.',
  'How do magnets work?':
    'In iron, every atom is a tiny magnet of its own. Usually they point in all directions and cancel each other out. In a magnet most of them point the same way, so their small pulls add up to one strong field with a north and a south pole. Opposite poles pull, equal poles push. Cut a magnet in two and you get two whole magnets, never a single pole. The Earth is a weak magnet too, which is why a compass works.',
  'Explain photosynthesis simply.':
    'Photosynthesis is how green plants make their own food. Leaves take in carbon dioxide from the air through tiny pores, and roots bring water from the soil. The green pigment chlorophyll catches sunlight, and with this energy the plant joins the two into sugar. Oxygen is left over, and the plant lets it out: it is the oxygen you are breathing now. In short: carbon dioxide + water + light → sugar + oxygen.',
  'Why is lemon juice sour?':
    'Lemon juice holds citric acid, about five parts in a hundred. Acids give off hydrogen ions in water, and special cells on your tongue feel these ions: your brain calls that "sour". On the pH scale, where 7 is neutral, lemon juice has about 2. You can show it at home: drop some juice on baking soda, a base, and it fizzes, because acid and base react and set carbon dioxide free.',
  'What is a cell?':
    'A cell is the smallest part of a living thing that is alive by itself. Some creatures, like bacteria, are one single cell; you have about thirty-seven trillion. A membrane wraps each cell and decides what may enter. Inside, the nucleus keeps the plans in its DNA, and the mitochondria turn food into usable energy. Plant cells also have a stiff wall, and chloroplasts for photosynthesis. Robert Hooke gave cells their name in 1665, when cork under his microscope looked to him like small rooms.',
  'What is an atom?':
    'An atom is the smallest piece of an element that still is that element. In its middle is a nucleus of protons, which are positive, and neutrons, which have no charge. Around it are electrons, which are negative and almost two thousand times lighter than a proton. The number of protons decides the element: one is hydrogen, six is carbon, seventy-nine is gold. Nearly all of an atom is empty: if the nucleus were a marble, the electrons would be found hundreds of metres away.',
  'What is electricity?':
    'Electricity is about electric charge. In a wire the charges that move are electrons, and their steady drift is the current I, measured in amperes. A battery pushes them with a voltage V, and the wire holds them back with its resistance R. Ohm’s law joins the three: V = I × R. So 12 volts across 6 ohms drive a current of 2 amperes, and the power turned into light or heat is P = V × I, here 24 watts. The electrons themselves creep more slowly than a snail; it is the field that runs through the wire almost at the speed of light.',
}

const OTHER =
  'I am the stand-in: there is no model behind me, only a handful of answers written in advance, and your question is not one of them. For real answers, install Ollama from ollama.com, run `ollama serve` and `ollama pull llama3.2`, and start this demo again: it will find the model by itself. Until then, try one of the suggested questions.'

/** The scripted answer to a question, or an honest word that there is none. Case and end marks do not matter. */
export function scriptedAnswer(question: string): string {
  return BY_KEY.get(keyOf(question)) ?? OTHER
}

/** What a smaller model says to a question: the first two sentences, which stand for themselves. */
export function shorterAnswer(question: string): string {
  const sentences = scriptedAnswer(question).match(/\S.*?[.!?]["”]?(?=\s|$)/g) ?? []
  return sentences.slice(0, 2).join(' ')
}

/** A text cut the way a model streams it: a word at a time, the space before it included. */
export function textToTokens(text: string): string[] {
  return text.match(/\s*\S+/g) ?? []
}

function keyOf(question: string): string {
  return question
    .toLowerCase()
    .replace(/[^\p{L}\p{N} ]/gu, '')
    .replace(/ +/g, ' ')
    .trim()
}

const BY_KEY: ReadonlyMap<string, string> = new Map(
  Object.entries(ANSWERS).map(([question, answer]) => [keyOf(question), answer]),
)
